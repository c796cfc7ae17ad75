"""Collected tables of an older version or damaged, and results that cannot be collected."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from red.plumbing.provenance import ROOT
from red.plumbing.storage import write_jsonl
from red.probes.row import ROWS, Row
from red.tables.schema import DYNAMICS, PROBES, SCORES
from tests.faults.case import named, table
from tests.faults.world import BENCHMARK, Spoil

pytestmark = pytest.mark.faults("bad input")
REPORTED = ROOT / "config" / "reported.csv"
RUN = {"run": "red", "method": "red", "seed": 0, "scale": "tiny", "status": "done", "steps": 2}
PROBED = {"runs": ["red"], "prompts": 2}
PROBE = tuple(
    Row("entropy", step, example, None, None, quantity, 0.5)
    for step in (0, 2)
    for quantity in ("entropy_rollout", "entropy_demonstration", "thinking_rollout")
    for example in "ab"
)
GRADE = {
    "id": "a",
    "index": 0,
    "correct": True,
    "correct_lenient": True,
    "reason": "right",
    "tokens": 3,
    "truncated": False,
}


def write_tables(folder: Path) -> None:
    """One row in each table."""
    values = {"string": "x", "int64": 0, "bool": True, "double": 0.5}
    for name, schema in (("scores", SCORES), ("dynamics", DYNAMICS), ("probes", PROBES)):
        row = {field.name: [values[str(field.type)]] for field in schema} | {"run": ["red"], "method": ["red"]}
        row |= {"benchmark": [BENCHMARK["benchmark"]]} if name == "scores" else {}
        pq.write_table(pa.table(row, schema=schema), folder / f"{name}.parquet")
    (folder / "runs.json").write_text(json.dumps([{**RUN, "steps": 1}]))
    (folder / "benchmarks.json").write_text(json.dumps([BENCHMARK]))


def changed(name: str, change: Callable[[pa.Table], pa.Table]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return spoil


def as_text(name: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, pa.array(["x"] * len(table)))


def sample(table: pa.Table, number: int) -> pa.Table:
    """Its row as another sample."""
    return table.set_column(table.schema.get_field_index("sample"), "sample", pa.array([number]))


def other_seed(table: pa.Table) -> pa.Table:
    """Its row as another seed's."""
    return table.set_column(table.schema.get_field_index("seed"), "seed", pa.array([1]))


def content(name: str, text: str) -> Spoil:
    return lambda folder: (folder / name).write_text(text)


def lines(*rows: dict[str, Any]) -> Spoil:
    """The only benchmark's grades."""
    return content("math500.grades.jsonl", "\n".join(map(json.dumps, rows)))


def cut(folder: Path) -> None:
    path = folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def zero_body(folder: Path) -> None:
    """The footer holds; the data does not."""
    path = folder / "scores.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(596)
    path.write_bytes(bytes(content))


def write_probe(path: Path, *rows: Row) -> None:
    """Without a list of hashes, like files that somebody moved."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(map(asdict, rows or PROBE)), ROWS), path)


def probed(*rows: Row) -> Spoil:
    """The run's probe."""
    return lambda folder: write_probe(folder / "entropy.parquet", *rows)


COLLECTED: tuple[tuple[str, Spoil, str | None], ...] = (
    (
        "no tables",
        lambda f: (f / "scores.parquet").unlink(),
        r"scores\.parquet: no such file; run `python -m red collect` again",
    ),
    (
        "an older version without a column",
        changed("scores", lambda t: t.drop_columns(["correct_lenient"])),
        r"scores\.parquet: missing column 'correct_lenient', made by another version",
    ),
    (
        "an older version with texts for verdicts",
        changed("scores", as_text("correct")),
        r"column 'correct' is string, made by another version",
    ),
    (
        "dynamics with texts for values",
        changed("dynamics", as_text("value")),
        r"dynamics\.parquet: column 'value' is string",
    ),
    ("truncated", cut, r"scores\.parquet: not a parquet file"),
    ("damaged inside", zero_body, r"scores\.parquet: (damaged|not a parquet file)"),
    ("runs.json truncated", content("runs.json", "[{"), r"runs\.json: not valid JSON"),
    (
        "runs.json of an older version",
        content("runs.json", '[{"run": "red"}]'),
        r"runs\.json: entry 0: missing key 'method'",
    ),
    ("runs.json that is an object", content("runs.json", "{}"), r"runs\.json: expected a list"),
    ("runs.json of texts", content("runs.json", '["red"]'), r"runs\.json: entry 0: missing key"),
    (
        "two versions of one seed",
        changed(
            "scores",
            lambda t: pa.concat_tables(
                [t, sample(t, 1).set_column(t.schema.get_field_index("code"), "code", pa.array(["y"]))]
            ),
        ),
        r"run 'red' seed 0 mixes rows of two versions",
    ),
    (
        "scores that lack an answer",
        changed("scores", lambda t: pa.concat_tables([t, other_seed(t), sample(t, 1)])),
        r"scores\.parquet: run 'red' seed 1 has 1 answers to math500, 1 of 2 different ones",
    ),
    (
        "scores with an answer twice",
        changed("scores", lambda t: pa.concat_tables([t, t])),
        r"scores\.parquet: run 'red' seed 0 has 2 answers to math500, 1 of 1 different ones",
    ),
    (
        "scores of a seed that nobody asked for",
        changed("scores", lambda t: pa.concat_tables([t, other_seed(t)])),
        r"scores\.parquet: answers of red seed 1, which runs\.json does not list as done",
    ),
    (
        "scores that lack a seed",
        content("runs.json", json.dumps([{**RUN, "steps": 1, "seed": seed} for seed in (0, 1)])),
        r"scores\.parquet: run 'red' seed 1 has no answers to math500",
    ),
    (
        "answers to a benchmark that is not listed",
        content("benchmarks.json", "[]"),
        r"scores\.parquet: answers to math500, which benchmarks\.json does not list",
    ),
    (
        "scores of which all lack a problem",
        content("benchmarks.json", json.dumps([{**BENCHMARK, "problems": 2}])),
        r"scores\.parquet: run 'red' seed 0 has answers to 1 of 2 problems of math500",
    ),
    (
        "scores of which all lack a benchmark",
        content("benchmarks.json", json.dumps([BENCHMARK, {**BENCHMARK, "benchmark": "amc", "problems": 2}])),
        r"scores\.parquet: run 'red' seed 0 has no answers to amc",
    ),
    (
        "dynamics that lack a step",
        content("runs.json", json.dumps([{**RUN, "steps": 2}])),
        r"dynamics\.parquet: run 'red' seed 0 has 1 of 2 steps",
    ),
    ("a run twice", content("runs.json", json.dumps([{**RUN, "steps": 1}] * 2)), r"runs\.json: red 0 is there twice"),
    (
        "a benchmark twice",
        content("benchmarks.json", json.dumps([BENCHMARK] * 2)),
        r"benchmarks\.json: math500 is there twice",
    ),
    ("whole ones are accepted", lambda f: None, None),
)
# What `red collect` reads: name, spoil, pattern.
RESULTS: tuple[tuple[str, Spoil, str | None], ...] = (
    (
        "grades truncated",
        content("math500.grades.jsonl", '{"id": "a", "ind'),
        r"math500\.grades\.jsonl: line 1: not valid JSON",
    ),
    (
        "grades of an older version",
        content("math500.grades.jsonl", json.dumps({"id": "a", "index": 0, "correct": True})),
        r"line 1: missing key 'correct_lenient'",
    ),
    (
        "grade that is a text",
        lines({**GRADE, "correct": "yes"}, {**GRADE, "index": 1}),
        r"math500\.grades\.jsonl: correct: ",
    ),
    (
        "tokens beyond 64 bits",
        lines({**GRADE, "tokens": 10**30}, {**GRADE, "index": 1}),
        r"math500\.grades\.jsonl: tokens: ",
    ),
    (
        "metrics with a torn line",
        content("metrics.jsonl", '{"train/step": 0}\n{"train/st'),
        r"metrics\.jsonl: line 2: not valid JSON",
    ),
    (
        "metrics that lack the last step",
        content("metrics.jsonl", '{"train/step": 0}'),
        r"metrics\.jsonl: 1 steps, .* 2",
    ),
    (
        "metrics that lack a step",
        content("metrics.jsonl", '{"train/step": 1}'),
        r"metrics\.jsonl: step 1 where 0 is due",
    ),
    (
        "metrics with a step twice",
        content("metrics.jsonl", '{"train/step": 0}\n{"train/step": 0}'),
        r"metrics\.jsonl: step 0 where 1 is due",
    ),
    ("grades that lack an answer", lines(GRADE), r"grades\.jsonl: 1 of 2 rows are missing, first sample 1 of 'a'"),
    ("grades with an answer twice", lines(GRADE, GRADE), r"grades\.jsonl: 'a': sample 0 is there twice"),
    ("grade of a sample that nobody ordered", lines({**GRADE, "index": 2}), r"'a': index 2 is not one of 2 samples"),
    ("grade of a problem that nobody asked", lines({**GRADE, "id": "b"}), r"'b' is not a problem of the benchmark"),
    ("provenance of fewer steps: listed as missing", content("provenance.json", '{"steps": 1}'), None),
    (
        "metrics without a step",
        content("metrics.jsonl", '{"loss/total": 0.5}'),
        r"metrics\.jsonl: line 1: missing key 'train/step'",
    ),
    (
        "metric beyond 64 bits",
        content("metrics.jsonl", json.dumps({"train/step": 0, "x": 10**400}) + '\n{"train/step": 1}'),
        r"metrics\.jsonl: value: ",
    ),
    ("provenance truncated", content("provenance.json", "{"), r"provenance\.json: not valid JSON"),
    (
        "training of another run",
        content("provenance.json", '{"steps": 2, "spec": {"run": "grpo", "seed": 0}}'),
        r"provenance\.json: run is 'grpo', not 'red'",
    ),
    (
        "training of another seed",
        content("provenance.json", '{"steps": 2, "spec": {"run": "red", "seed": 1}}'),
        r"provenance\.json: seed is 1, not 0",
    ),
    ("probe of fewer prompts", probed(*PROBE[::2]), r"entropy\.parquet: \w+ at step \d is of 1 prompts, 2 are ordered"),
    ("probe without a quantity", probed(*PROBE[:-2]), r"thinking_rollout at step 2 is of 0 prompts, 2 are ordered"),
    ("probe with a row twice", probed(*PROBE, PROBE[0]), r"entropy_rollout of 'a': token None after 1 rows"),
    (
        "probe of other prompts for one quantity",
        probed(*PROBE[:-1], replace(PROBE[-1], example="c")),
        r"entropy\.parquet: \w+ at step \d: 'b' is not a prompt of all",
    ),
    (
        "probe at another step",
        probed(*[replace(row, step=row.step + 1) for row in PROBE]),
        r"nobody ordered 'entropy_rollout' of 'entropy' at step 1",
    ),
    (
        "another probe",
        probed(*[replace(row, probe="tokens") for row in PROBE]),
        r"nobody ordered 'entropy_rollout' of 'tokens' at step 0",
    ),
    ("probe that is no parquet", content("entropy.parquet", "hello"), r"entropy\.parquet: not a parquet file"),
    ("a missing run is listed, not an error", lambda f: (f / "metrics.jsonl").unlink(), None),
)
PLACES = {
    "math500.grades.jsonl": "evaluations",
    "metrics.jsonl": "runs",
    "provenance.json": "runs",
    "entropy.parquet": "probes",
}


def analysis(folder: Path, item: str, reported: Path = REPORTED) -> list[Any]:
    """Arguments of `python -m analysis`."""
    return [item, "--collected", folder, "--reported", reported, "--out", folder / "out"]


def collect(folder: Path, spoil: Spoil, problems: int | None = None) -> list[Any]:
    """Arguments of `red collect`: all files of one run are written in one folder, then put where they belong. So many
    problems are ordered."""
    files = folder / "files"
    files.mkdir()
    lines(GRADE, {**GRADE, "index": 1})(files)
    (files / "metrics.jsonl").write_text('{"train/step": 0, "loss/total": 0.5}\n{"train/step": 1}')
    (files / "provenance.json").write_text('{"steps": 2}')
    write_jsonl(folder / "data" / "benchmarks" / "math500.jsonl", [{"id": "a"}])
    write_probe(files / "entropy.parquet")
    spoil(files)
    for path in files.iterdir():
        target = folder / PLACES[path.name] / "red" / "seed0" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    spec = {"runs": [RUN], "benchmarks": [{**BENCHMARK, "problems": problems}], "probes": {"entropy": PROBED}}
    return ["collect", "--spec", json.dumps(spec), "--results", folder, "--out", folder / "collected"]


@table("spoil, pattern", "collected tables: ", COLLECTED)
def test_collected_tables(spoil: Spoil, pattern: str | None, tmp_path: Path, check):
    write_tables(tmp_path)
    spoil(tmp_path)
    check(pattern, analysis(tmp_path, "main_results"), "analysis")


@table("spoil, pattern", "collect: ", RESULTS)
def test_results(spoil: Spoil, pattern: str | None, tmp_path: Path, check):
    check(pattern, collect(tmp_path, spoil))


@named("collect: problems of a benchmark that lack one")
def test_problems(tmp_path: Path, check):
    check(r"math500\.jsonl: 1 problems, 2 are ordered; make the file again", collect(tmp_path, lambda f: None, 2))


@named("export: scores of which all lack a problem")
def test_export(tmp_path: Path, check):
    write_tables(tmp_path)
    (tmp_path / "benchmarks.json").write_text(json.dumps([{**BENCHMARK, "problems": 2}]))
    check(r"has answers to 1 of 2 problems", ["export", "--collected", tmp_path, "--out", tmp_path / "results.json"])


@named("analysis: the paper's numbers without a column")
def test_reported_numbers(tmp_path: Path, check):
    write_tables(tmp_path)
    (tmp_path / "reported.csv").write_text("table,item\n")
    check(r"reported\.csv: missing column", analysis(tmp_path, "main_results", tmp_path / "reported.csv"), "analysis")


@named("analysis: an item that is a path")
def test_item_name(tmp_path: Path, check):
    check(r"'\.\./\.\./os'|unknown item|no item", analysis(tmp_path, "../../os"), "analysis")
