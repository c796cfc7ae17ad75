"""Collected tables of an older version or damaged, and results that cannot be collected."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faults.case import Attempt, Case, Command
from faults.world import World
from red.plumbing.provenance import ROOT
from red.tables.schema import DYNAMICS, PROBES, SCORES

RUN = {"run": "red", "method": "red", "seed": 0, "scale": "tiny", "status": "done", "steps": 2}
BENCHMARK = {"benchmark": "math500", "label": "MATH500", "group": "math", "metric": "pass_at_1", "source": "embedded"}
GRADE = {
    "id": "a",
    "index": 0,
    "correct": True,
    "correct_lenient": True,
    "reason": "right",
    "tokens": 3,
    "truncated": False,
}
Spoil = Callable[[Path], object]


def _tables(folder: Path) -> None:
    """One row in each table."""
    values = {"string": "x", "int64": 0, "bool": True, "double": 0.5}
    for name, schema in (("scores", SCORES), ("dynamics", DYNAMICS), ("probes", PROBES)):
        row = {field.name: [values[str(field.type)]] for field in schema} | {"run": ["red"], "method": ["red"]}
        pq.write_table(pa.table(row, schema=schema), folder / f"{name}.parquet")
    (folder / "runs.json").write_text(json.dumps([RUN]))
    (folder / "benchmarks.json").write_text(json.dumps([BENCHMARK]))


def _column(table: str, name: str, change: Callable[[pa.Table], pa.Table]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return spoil


def _as_text(name: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, pa.array(["x"] * len(table)))


def _cut(folder: Path) -> None:
    path = folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def _body(folder: Path) -> None:
    """The footer holds; the data does not."""
    path = folder / "scores.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(596)
    path.write_bytes(bytes(content))


COLLECTED: tuple[tuple[str, Spoil, str], ...] = (
    (
        "no tables",
        lambda f: (f / "scores.parquet").unlink(),
        r"scores\.parquet: no such file; run `python -m red collect` again",
    ),
    (
        "an older version without a column",
        _column("scores", "", lambda t: t.drop_columns(["correct_lenient"])),
        r"scores\.parquet: missing column 'correct_lenient', made by another version",
    ),
    (
        "an older version with texts for verdicts",
        _column("scores", "", _as_text("correct")),
        r"column 'correct' is string, made by another version",
    ),
    (
        "dynamics with texts for values",
        _column("dynamics", "", _as_text("value")),
        r"dynamics\.parquet: column 'value' is string",
    ),
    ("truncated", _cut, r"scores\.parquet: not a parquet file"),
    ("damaged inside", _body, r"scores\.parquet: (damaged|not a parquet file)"),
    ("runs.json truncated", lambda f: (f / "runs.json").write_text("[{"), r"runs\.json: not valid JSON"),
    (
        "runs.json of an older version",
        lambda f: (f / "runs.json").write_text('[{"run": "red"}]'),
        r"runs\.json: entry 0: missing key 'method'",
    ),
    ("runs.json that is an object", lambda f: (f / "runs.json").write_text("{}"), r"runs\.json: expected a list"),
    ("runs.json of texts", lambda f: (f / "runs.json").write_text('["red"]'), r"runs\.json: entry 0: missing key"),
    (
        "two versions of one seed",
        _column(
            "scores",
            "",
            lambda t: pa.concat_tables([t, t.set_column(t.schema.get_field_index("code"), "code", pa.array(["y"]))]),
        ),
        r"run 'red' seed 0 mixes rows of two versions",
    ),
)
# What `red collect` reads: name, spoil, pattern.
RESULTS: tuple[tuple[str, Spoil, str], ...] = (
    (
        "grades truncated",
        lambda f: _write(f / "math500.grades.jsonl", '{"id": "a", "ind'),
        r"math500\.grades\.jsonl: line 1: not valid JSON",
    ),
    (
        "grades of an older version",
        lambda f: _write(f / "math500.grades.jsonl", json.dumps({"id": "a", "index": 0, "correct": True})),
        r"line 1: missing key 'correct_lenient'",
    ),
    (
        "grade that is a text",
        lambda f: _write(f / "math500.grades.jsonl", json.dumps({**GRADE, "correct": "yes"})),
        r"math500\.grades\.jsonl: correct: ",
    ),
    (
        "tokens beyond 64 bits",
        lambda f: _write(f / "math500.grades.jsonl", json.dumps({**GRADE, "tokens": 10**30})),
        r"math500\.grades\.jsonl: tokens: ",
    ),
    (
        "metrics with a torn line",
        lambda f: _write(f / "metrics.jsonl", '{"train/step": 0}\n{"train/st'),
        r"metrics\.jsonl: line 2: not valid JSON",
    ),
    (
        "metrics without a step",
        lambda f: _write(f / "metrics.jsonl", '{"loss/total": 0.5}'),
        r"metrics\.jsonl: line 1: missing key 'train/step'",
    ),
    (
        "metric beyond 64 bits",
        lambda f: _write(f / "metrics.jsonl", json.dumps({"train/step": 0, "x": 10**400})),
        r"metrics\.jsonl: value: ",
    ),
    ("provenance truncated", lambda f: _write(f / "provenance.json", "{"), r"provenance\.json: not valid JSON"),
    (
        "probe that is no parquet",
        lambda f: _write(f / "entropy.parquet", "hello"),
        r"entropy\.parquet: not a parquet file",
    ),
)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def cases(kind: str) -> list[Case]:
    """One per line above."""
    found = [Case(f"collected tables: {n}", kind, partial(_analyse, spoil), said) for n, spoil, said in COLLECTED]
    found.append(Case("collected tables: whole ones are accepted", kind, partial(_analyse, lambda folder: None)))
    found += [Case(f"collect: {name}", kind, partial(_collect, spoil), said) for name, spoil, said in RESULTS]
    found.append(
        Case(
            "collect: a missing run is listed, not an error",
            kind,
            partial(_collect, lambda f: (f / "metrics.jsonl").unlink()),
        )
    )
    found.append(
        Case("analysis: the paper's numbers without a column", kind, _reported, r"reported\.csv: missing column")
    )
    found.append(
        Case(
            "analysis: an item that is a path",
            kind,
            lambda folder, world: Command.analysis(*_item(folder, "../../os")),
            r"'\.\./\.\./os'|unknown item|no item",
        )
    )
    return found


def _item(folder: Path, item: str, reported: Path = ROOT / "config" / "reported.csv") -> list[Any]:
    return [item, "--collected", folder, "--reported", reported, "--out", folder / "out"]


def _analyse(spoil: Spoil, folder: Path, world: World) -> Attempt:
    _tables(folder)
    spoil(folder)
    return Command.analysis(*_item(folder, "main_results"))


def _reported(folder: Path, world: World) -> Attempt:
    _tables(folder)
    (folder / "reported.csv").write_text("table,item\n")
    return Command.analysis(*_item(folder, "main_results", folder / "reported.csv"))


def _collect(spoil: Spoil, folder: Path, world: World) -> Attempt:
    """All files of one run are made in one folder, then put where they belong."""
    made = folder / "made"
    made.mkdir()
    _write(made / "math500.grades.jsonl", json.dumps(GRADE))
    _write(made / "metrics.jsonl", json.dumps({"train/step": 0, "loss/total": 0.5}))
    _write(made / "provenance.json", "{}")
    pq.write_table(pa.table({"probe": ["entropy"], "value": [0.5]}), made / "entropy.parquet")
    spoil(made)
    places = {
        "math500.grades.jsonl": "evaluations",
        "metrics.jsonl": "runs",
        "provenance.json": "runs",
        "entropy.parquet": "probes",
    }
    for path in made.iterdir():
        target = folder / places[path.name] / "red" / "seed0" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    spec = {"runs": [RUN], "benchmarks": [BENCHMARK], "probes": {"entropy": ["red"]}}
    return Command.red("collect", "--spec", json.dumps(spec), "--results", folder, "--out", folder / "collected")
