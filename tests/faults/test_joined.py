"""Tables that are joined, compared or collected anew: whole, or refused in one line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from red.plumbing import storage
from red.plumbing.storage import write_jsonl
from tests.faults.case import execute, named, refusal, succeed, table
from tests.faults.study import ENTRY, Study
from tests.faults.test_tables import REPORTED, analysis, write_tables
from tests.faults.world import BENCHMARK, Spoil
from tests.fixtures import synthetic

pytestmark = pytest.mark.faults("bad input")
Change = Callable[[pa.Table], pa.Table]


def rows(name: str, change: Change) -> Spoil:
    """Another table."""

    def spoil(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / name)), folder / name)

    return spoil


def column(name: str, change: Callable[[list[Any]], list[Any]]) -> Change:
    """Other values in a column."""

    def changed(table: pa.Table) -> pa.Table:
        place, values = table.schema.get_field_index(name), table[name].to_pylist()
        return table.set_column(place, name, pa.array(change(values), table.schema.field(place).type))

    return changed


def entries(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Spoil:
    """Other entries of runs.json."""
    return lambda folder: (folder / "runs.json").write_text(
        json.dumps(change(json.loads((folder / "runs.json").read_text())))
    )


def study(folder: Path, name: str) -> Path:
    """Collected tables of a study with a name."""
    synthetic.write(folder, steps=4, fraction=0.1)
    entries(lambda runs: [{**run, "study": {"name": name}} for run in runs])(folder)
    return folder


STEPS = rows("dynamics.parquet", lambda table: table.filter(pc.less(table["step"], 3)))
WITHOUT_RED = rows("scores.parquet", lambda table: table.filter(pc.not_equal(table["run"], "red")))
TWICE = rows("dynamics.parquet", lambda table: pa.concat_tables([table, table.slice(0, 1)]))
GHOST = rows("dynamics.parquet", column("run", lambda values: ["ghost", *values[1:]]))
NO_STEP = rows("dynamics.parquet", column("step", lambda values: [None, *values[1:]]))
GAP = rows("dynamics.parquet", column("step", lambda values: [9 if value == 2 else value for value in values]))
NO_VERDICT = rows("scores.parquet", column("correct", lambda values: [None, *values[1:]]))
NO_LENGTH = rows("scores.parquet", column("tokens", lambda values: [None, *values[1:]]))
NO_GROUP = rows("scores.parquet", column("group", lambda values: [None] * len(values)))
CLIMBS = rows("scores.parquet", column("benchmark", lambda values: ["../../secret"] * len(values)))
FAULTS: tuple[tuple[str, Spoil, str], ...] = (
    ("a run without answers", WITHOUT_RED, r"scores\.parquet: run 'red' seed 0 has no answers to"),
    ("steps that are missing", STEPS, r"dynamics\.parquet: run '\w+' seed 0 has 2 of 4 steps"),
    ("a metric of one step twice", TWICE, r"seed 0 has a metric of one step twice"),
    ("steps of a run that is not listed", GHOST, r"steps of ghost seed 0, which runs\.json does not list as done"),
    ("a step without a number", NO_STEP, r"dynamics\.parquet: column 'step' has 1 empty cells"),
    ("steps with a gap", GAP, r"4 steps between 1 and 9"),
    ("answers without a verdict", NO_VERDICT, r"scores\.parquet: column 'correct' has 1 empty cells"),
    ("answers without a length", NO_LENGTH, r"scores\.parquet: column 'tokens' has 1 empty cells"),
    ("answers without a group", NO_GROUP, r"scores\.parquet: column 'group' has \d+ empty cells"),
    ("a benchmark that climbs", CLIMBS, r"answers to \.\./\.\./secret, which benchmarks\.json does not list"),
    ("a run twice", entries(lambda runs: [*runs, runs[0]]), r"runs\.json: base 0 is there twice"),
)


@table("spoil, pattern", "join: ", FAULTS)
def test_join(spoil: Spoil, pattern: str, tmp_path: Path, check):
    parts = [study(tmp_path / name, name) for name in ("one", "two")]
    spoil(parts[1])
    check(pattern, ["join", *parts, "--out", tmp_path / "out"])
    assert not (tmp_path / "out").exists()


@table("spoil, pattern", "compare: ", FAULTS)
def test_compare(spoil: Spoil, pattern: str, tmp_path: Path, check):
    spoil(study(tmp_path / "collected", "one"))
    check(pattern, ["compare", "red", "sft", "--results", tmp_path])


def contents(folder: Path) -> dict[str, bytes]:
    """Of every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@named("join: killed between two tables: nobody reads those of two times")
def test_killed_join(tmp_path: Path, check):
    parts, out = [study(tmp_path / name, name) for name in ("one", "two")], tmp_path / "out"
    succeed(["join", *parts, "--out", out])
    rows("scores.parquet", column("correct", lambda values: [not value for value in values]))(parts[0])
    publish = storage._publish

    def dying(partial: Path, path: Path) -> None:
        if path.name == "scores.parquet":  # the last one of the tables
            raise KeyboardInterrupt
        publish(partial, path)

    with mock.patch.object(storage, "_publish", dying):
        status, _ = execute(["join", *parts, "--out", out])
    assert status == 130
    check(r"runs\.json: no such file", ["export", "--collected", out, "--out", tmp_path / "results.json"])
    succeed(["join", *parts, "--out", out])
    succeed(["export", "--collected", out, "--out", tmp_path / "results.json"])


@named("collect: refused in the middle: the tables of before are still there, all of them")
def test_refused_collect(tmp_path: Path, study: Study):
    out, metrics = tmp_path / "out", study.run / "metrics.jsonl"
    succeed(study.collect(out))
    before, content = contents(out), metrics.read_bytes()
    try:
        metrics.write_bytes(content[: len(content) // 2])
        refusal(study.collect(out))
    finally:
        metrics.write_bytes(content)
    assert contents(out) == before


QUESTIONS: tuple[tuple[str, Callable[[str], dict[str, Any]]], ...] = (
    ("that are numbers", lambda id: {"id": id, "question": 5}),
    ("that are lists", lambda id: {"id": id, "question": ["a"]}),
    ("of ids that are lists", lambda id: {"id": [id], "question": "a"}),
    ("of a benchmark that could not be had", lambda id: {"missing": "no network"}),
)


@table("row", "compare: questions ", QUESTIONS)
def test_questions(row: Callable[[str], dict[str, Any]], tmp_path: Path):
    synthetic.write(tmp_path / "collected", steps=4, fraction=0.1)
    for name, (_, problems, *_) in synthetic.BENCHMARKS.items():
        rows = [row(f"{name}-{number}") for number in range(problems)]
        write_jsonl(tmp_path / "data" / "benchmarks" / f"{name}.jsonl", rows)
    succeed(["compare", "red", "grpo", "--results", tmp_path])


@table(
    "value",
    "analysis: the paper's numbers that are ",
    [("text", "abc"), ("missing", ""), ("infinite", "inf"), ("no numbers", "nan"), ("beyond all floats", "1e999")],
)
def test_reported(value: str, tmp_path: Path, check):
    write_tables(tmp_path)
    with REPORTED.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[:2]
    rows[1]["value"] = value
    with (tmp_path / "reported.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    pattern = r"reported\.csv: row 2: value '\w*' is no number; take it out"
    check(pattern, analysis(tmp_path, "main_results", tmp_path / "reported.csv"), "analysis")


ASKED: tuple[tuple[str, list[dict[str, Any]], list[dict[str, Any]], str], ...] = (
    ("a run that climbs", [{**ENTRY, "run": "../red"}], [BENCHMARK], r"spec\.runs: '\.\./red' is no name"),
    ("a benchmark that climbs", [ENTRY], [{**BENCHMARK, "benchmark": "../x"}], r"benchmarks: '\.\./x' is no name"),
    ("a benchmark twice", [ENTRY], [BENCHMARK, BENCHMARK], r"spec\.benchmarks: 'math500' is there 2 times"),
    ("a negative seed", [{**ENTRY, "seed": -1}], [BENCHMARK], r"entry 0: seed: must be at least 0, found -1"),
    ("a seed of 2^63", [{**ENTRY, "seed": 2**63}], [BENCHMARK], r"entry 0: seed: must be at most 2147483647"),
    ("negative steps", [{**ENTRY, "steps": -1}], [BENCHMARK], r"entry 0: steps: must be at least 0, found -1"),
)


@table("runs, benchmarks, pattern", "collect: asked for ", ASKED)
def test_asked(runs: list[dict[str, Any]], benchmarks: list[dict[str, Any]], pattern: str, tmp_path: Path, check):
    spec = json.dumps({"runs": runs, "benchmarks": benchmarks})
    check(pattern, ["collect", "--spec", spec, "--results", tmp_path, "--out", tmp_path / "out"])
    assert not (tmp_path / "out").exists()
