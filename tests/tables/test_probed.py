"""A file of a probe holds what was ordered of it: quantities, prompts and tokens, once each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from red.errors import DataError
from red.probes.row import quantities
from red.tables.probed import Attendance, Order

FILE = Path("confidence.parquet")
STEP = 7
TOKENS = ("p_large", "p_small")
Rows = list[tuple[int, str, str, int | None]]


def whole(examples: str = "ab") -> Rows:
    """Step, quantity, example, position of every row that was ordered: three tokens of each text."""
    rows: Rows = []
    for step, quantity in sorted(quantities("confidence", ["large"], STEP)):
        positions = range(3) if quantity in TOKENS else (None,)
        rows += [(step, quantity, example, position) for example in examples for position in positions]
    return rows


def batches(rows: Sequence[tuple[object, ...]]) -> Iterator[pa.RecordBatch]:
    """A few rows in each, so that texts are cut."""
    for start in range(0, len(rows), 5):
        part = rows[start : start + 5]
        step, quantity, example, position = map(list, zip(*part, strict=True))
        columns = {"probe": ["confidence"] * len(part), "step": step, "quantity": quantity, "example": example}
        yield pa.RecordBatch.from_pydict(columns | {"position": pa.array(position, pa.int64())})


@pytest.fixture
def attendance() -> Attendance:
    return Attendance("confidence", Order(("base",), 2, ("large",)))


def test_what_is_whole_is_passed_on(attendance):
    assert sum(batch.num_rows for batch in attendance.taken(FILE, STEP, batches(whole()))) == len(whole())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row for row in whole() if row[1] != "p_large"], "p_large at step 7 is of 0 prompts, 2 are ordered"),
        (whole("a"), "is of 1 prompts, 2 are ordered"),
        (whole("abc"), "is of 3 prompts, 2 are ordered"),
        ([row for row in whole() if row != (STEP, "p_small", "b", 1)], "p_small of 'b': token 2 after 1 rows"),
        ([row for row in whole() if row != (STEP, "p_small", "b", 2)], "'b' has not as many tokens"),
        ([*whole(), (STEP, "p_small", "b", 2)], "p_small of 'b': token 2 after 3 rows"),
        ([*whole(), (0, "group_size", "b", None)], "group_size of 'b': token None after 1 rows"),
        ([*whole(), (STEP, "p_sft", "b", 0)], "nobody ordered 'p_sft' of 'confidence' at step 7"),
        ([], "is of 0 prompts"),
    ],
)
def test_what_is_missing_or_too_much_is_named(rows, message, attendance):
    with pytest.raises(DataError, match=message):
        list(attendance.taken(FILE, STEP, batches(rows)))


def test_all_runs_are_probed_on_the_same_prompts(attendance):
    list(attendance.taken(FILE, STEP, batches(whole())))
    with pytest.raises(DataError, match="'b' is not a prompt of all"):
        list(attendance.taken(FILE, STEP, batches(whole("ac"))))


def turned(matrices: str = "qk", step: int = STEP, without: str = "") -> Iterator[pa.RecordBatch]:
    """Every quantity of the probe `rotation` for each matrix."""
    rows = [(at, name, matrix) for at, name in sorted(quantities("rotation", ["parent"], step)) for matrix in matrices]
    step_, quantity, example = map(list, zip(*(row for row in rows if row[1] != without), strict=True))
    columns = {"probe": ["rotation"] * len(step_), "step": step_, "quantity": quantity, "example": example}
    yield pa.RecordBatch.from_pydict(columns | {"position": pa.nulls(len(step_), pa.int64())})


def test_a_probe_of_matrices_asks_all_runs_for_the_same_ones():
    attendance = Attendance("rotation", Order(("sft", "grpo"), None, ("parent",)))
    assert sum(batch.num_rows for batch in attendance.taken(FILE, STEP, turned())) > 0
    list(attendance.taken(FILE, 3, turned(step=3)))
    for found, message in (
        (turned("q"), "'k' is not a prompt of all"),
        (turned("qkv"), "'v' is not a prompt of all"),
        (turned(without="angle_left_null"), "angle_left_null at step 7 is of 0 prompts, all matrices are ordered"),
        (turned(step=6), "nobody ordered 'angle_left' of 'rotation' at step 6"),
        (batches([]), "is of 0 prompts, all matrices are ordered"),
    ):
        with pytest.raises(DataError, match=message):
            list(attendance.taken(FILE, STEP, found))
