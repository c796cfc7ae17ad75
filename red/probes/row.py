"""What a probe writes: one row per measured number."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from red.plumbing.storage import write_atomic


@dataclass(frozen=True)
class Row:
    """One number. `example` is a prompt id, or the name of a matrix; `position` counts response tokens from 0.

    `token`: the text that the number is about, a token or what `quantity` names.
    """

    probe: str
    step: int
    example: str
    position: int | None
    token: str | None
    quantity: str
    value: float


CHUNK = 65536
OF_TOKENS = "p_"
"""How the quantities begin that have a row per token: a model's probability of it."""

OF_PROMPTS = ("group_accuracy", "group_size", "length_rollout", "equation_rollout", "thinking_demonstration")
"""What `confidence` measures beside them, at step 0."""

OF_RESPONSES = ("prompt", "verdict")
"""What `tokens` says of each response beside them."""

MEASURES = (
    *("value_change", "value_change_max", "angle_left", "angle_left_max", "angle_right", "angle_right_max"),
    *("energy_diagonal", "energy_in_span", "energy_outside"),
)
NULLS = ("_null", "_null_low", "_null_high", "_rounding")
ROTATION = ("norm_change", *(name + null for name in MEASURES for null in ("", *NULLS)))
"""What `rotation` says of each matrix: measures, and the same of random changes and of rounding."""

ARROW: dict[Any, pa.DataType] = dict.fromkeys((str, str | None), pa.string())
ARROW |= dict.fromkeys((int, int | None), pa.int64()) | {float: pa.float64()}
ROWS = pa.schema([(field.name, ARROW[field.type]) for field in fields(Row)])


def quantities(probe: str, models: Iterable[str], step: int) -> frozenset[tuple[int, str]]:
    """(step, quantity) of everything that a probe measures of a run at its last `step`, beside these other models."""
    if probe == "entropy":
        names = ["entropy_rollout", "entropy_demonstration", "thinking_rollout"]
        return frozenset((at, name) for at in (0, step) for name in names)
    if probe == "rotation":
        return frozenset((step, name) for name in ROTATION)
    own = "small" if probe == "confidence" else "trained"
    beside = {(0, name) for name in OF_PROMPTS} if probe == "confidence" else {(step, name) for name in OF_RESPONSES}
    return frozenset((step, OF_TOKENS + name) for name in (own, *models)) | beside


def write(rows: Iterable[Row], path: Path) -> None:
    """One parquet file, atomically. Rows may be millions: only their columns are held."""
    tables = [ROWS.empty_table()]
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        tables.append(pa.table({name: [getattr(row, name) for row in chunk] for name in ROWS.names}, schema=ROWS))
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(tables).combine_chunks(), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())
