"""Every row that is read, with any value anywhere: one line or success, never a traceback or a hang."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from red.data.problems import Limits, load_problems
from red.data.sources import read_demonstrations, read_prompts
from red.evaluation import benchmarks
from red.evaluation.answers import AnswerLog
from red.models.folder import load_codec
from red.plumbing.storage import read_jsonl
from red.study import status
from red.training.schedule import logged_w
from tests.faults.case import execute, table
from tests.faults.fuzz import EXAMPLES, altered, folder, holds, mutated, refused_or
from tests.faults.test_benchmarks import ANSWER, LOCAL, ROW
from tests.faults.test_tables import GRADE, PROBED, RUN, analysis, write_probe, write_tables
from tests.faults.world import BENCHMARK, ENTRY, World, grade, run_spec

pytestmark = pytest.mark.faults("fuzzing")
STATED = {**RUN, "label": "RED", "row_group": "red", "items": ["x"], "family": "common", "parameters": 138e3}
STATED |= {"spec": {"training": {"lr": 1e-3}}, "study": {"name": "a", "knob": "b", "setting": 0.5}}
STATED |= {"provenance": {"spec_hash": "x", "code": "y", "commit": "z", "dirty": True}}


@pytest.fixture(autouse=True)
def examples(remark) -> None:
    """As many for each reader."""
    remark(f"{EXAMPLES} examples")


def survives(arguments: Sequence[object]) -> None:
    """The command ends well, or its last line says why not; warnings may come before."""
    status, errors = refused_or(lambda: execute(arguments))
    assert status == 0 or (status == 2 and errors.splitlines()[-1].startswith(f"red {arguments[0]}: ")), errors


def write_rows(path: Path, rows: Any) -> Path:
    """Rows as they are: they may be no objects, and hold what JSON has not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = rows if isinstance(rows, list) else [rows]
    path.write_bytes("".join(json.dumps(row) + "\n" for row in lines).encode())
    return path


# What the readers found: name, arguments in a folder, pattern of the refusal.
REFUSED: tuple[tuple[str, Callable[[Path, World], list[Any]], str], ...] = (
    (
        "collect: a spec without runs",
        lambda place, world: ["collect", "--spec", "{}", "--results", place, "--out", place / "out"],
        r"--spec: runs: expected a list",
    ),
    (
        "grade: benchmarks that are a list",
        lambda place, world: ["grade", "--spec", '{"benchmarks": []}', *grade(place, place)[3:]],
        r"--spec\.benchmarks: expected a mapping",
    ),
    (
        "grade: options of a problem that are a number",
        lambda place, world: grade(place, write_rows(place / "math500.jsonl", {**ROW, "options": 5}).parent),
        r"math500\.jsonl: line 1: options must be null or a list",
    ),
    (
        "train: options of a prompt that are a number",
        lambda place, world: world.train(
            place, run_spec("sft"), prompts=write_rows(place / "p.jsonl", {**ROW, "options": 5})
        ),
        r"p\.jsonl: line 1: options is not a list",
    ),
    (
        "corruption: a demonstration of no prompt",
        lambda place, world: corrupt(place, world.prompts, write_rows(place / "d.jsonl", {"id": "x", "response": "1"})),
        r"demonstration 'x' is of no prompt",
    ),
    (
        "corruption: an id that is a list",
        lambda place, world: corrupt(
            place, world.prompts, write_rows(place / "d.jsonl", {"id": ["x"], "response": "1"})
        ),
        r"d\.jsonl: line 1: id \['x'\] is not a text",
    ),
    (
        "analysis: a label that is a number",
        lambda place, world: analysis(tables(place, "runs.json", [{**RUN, "label": 5}]), "main_results"),
        r"runs\.json: entry 0: label: expected str, found 5",
    ),
    (
        "analysis: the paper's numbers in another encoding",
        lambda place, world: analysis(tables(place), "main_results", write_bytes(place / "reported.csv", b"\xff\n")),
        r"reported\.csv: not a table \(.*utf-8",
    ),
)


def corrupt(place: Path, prompts: Path, demonstrations: Path) -> list[Any]:
    """Arguments of `red data corruption`."""
    inputs = ["--prompts", prompts, "--demonstrations", demonstrations]
    return ["data", "corruption", "--spec", '{"corruption": "clean"}', *inputs, "--out", place / "out.jsonl"]


def tables(place: Path, name: str = "", entries: Any = None) -> Path:
    """Collected tables, one of their lists replaced."""
    write_tables(place)
    if name:
        (place / name).write_text(json.dumps(entries))
    return place


def write_bytes(path: Path, content: bytes) -> Path:
    """A file."""
    path.write_bytes(content)
    return path


@pytest.mark.faults("bad input")
@table("arguments, pattern", "", REFUSED)
def test_refused(arguments: Callable[[Path, World], list[Any]], pattern: str, tmp_path: Path, world: World, check):
    words = arguments(tmp_path, world)
    check(pattern, words, "analysis" if words[0] == "main_results" else "red")


@holds("rows of prompts and demonstrations", draw=st.data())
def test_training_rows(draw: st.DataObject, world: World):
    codec = load_codec(world.base)
    with folder() as place:
        prompts, taught = (
            write_rows(place / path.name, altered(list(read_jsonl(path))[:3], draw, ("system", "forced_accuracy")))
            for path in (world.prompts, world.demonstrations)
        )
        refused_or(lambda: read_prompts(prompts))
        refused_or(lambda: read_demonstrations(taught))

        def judge(cases: Any) -> list[float]:
            return [1.0 for _ in cases]

        refused_or(lambda: load_problems(prompts, taught, codec, "plain", Limits(64, 64), judge, False))


@holds("rows that corrupt demonstrations", draw=st.data())
def test_corruption_rows(draw: st.DataObject, world: World):
    rows = [list(read_jsonl(path))[:3] for path in (world.prompts, world.demonstrations)]
    rows.append([{"id": row["id"], "response": "1"} for row in rows[0]])
    victim = draw.draw(st.integers(0, 2))
    rows[victim] = altered(rows[victim], draw)
    with folder() as place:
        files = [write_rows(place / f"{index}.jsonl", part) for index, part in enumerate(rows)]
        inputs = ["--prompts", files[0], "--demonstrations", files[1], "--wrong-responses", files[2]]
        spec = json.dumps({"corruption": "noisy_labels", "rate": 0.5})
        survives(["data", "corruption", "--spec", spec, *inputs, "--out", place / "out.jsonl"])


@holds("rows of benchmarks", draw=st.data())
def test_problems(draw: st.DataObject):
    with folder() as place:
        ours = write_rows(place / "ours.jsonl", altered([ROW, {**ROW, "id": "b", "options": ["p", "q"]}], draw))
        refused_or(lambda: benchmarks.read(ours))
        write_rows(place / "theirs.jsonl", altered([json.loads(LOCAL)], draw, ("options", "source", "problem")))
        entry = {**ENTRY, "source": "x", "data_dir": str(place), "file": "theirs.jsonl"}
        refused_or(lambda: list(benchmarks.rows("x", entry)))


@holds("rows of generations, and what they are graded by", draw=st.data())
def test_generations(draw: st.DataObject):
    problems = [ROW, {**ROW, "id": "b", "options": ["p", "q"], "answer": "A"}]
    answers = [{**ANSWER, "id": problem["id"], "index": index} for problem in problems for index in (0, 1)]
    spec: Any = {"workers": 1, "benchmarks": {"math500": ENTRY}}
    match draw.draw(st.sampled_from("pas")):
        case "p":
            problems = altered(problems, draw)
        case "a":
            answers = altered(answers, draw)
        case "s":
            spec = altered(spec, draw)
    with folder() as place:
        write_rows(place / "math500.jsonl", problems)
        write_rows(place / "math500.generations.jsonl", answers)
        survives(["grade", f"--spec={json.dumps(spec)}", *grade(place, place)[3:]])


@holds("rows of cases to grade", draw=st.data())
def test_cases(draw: st.DataObject):
    case = {"id": "a", "response": r"\boxed{2}", "gold": "2", "options": ["p", "q"], "thought_open": False}
    with folder() as place:
        rows = write_rows(place / "cases.jsonl", altered([case, {**case, "gold": "B"}], draw, ("answer", "n_options")))
        survives(["grade", "--cases", rows, "--out", place / "out.jsonl", "--workers", 1])


@holds("verdicts, metrics, provenance and specs that are collected", draw=st.data())
def test_collected(draw: st.DataObject):
    documents: dict[str, Any] = {
        "data/benchmarks/math500.jsonl": [{"id": "a"}],
        "evaluations/red/seed0/math500.grades.jsonl": [GRADE, {**GRADE, "index": 1}],
        "runs/red/seed0/metrics.jsonl": [{"train/step": step, "loss/total": 0.5} for step in (0, 1)],
        "runs/red/seed0/provenance.json": {"spec_hash": "x", "code": "y", "steps": 2, "environment": {"commit": "z"}},
        "spec": {"runs": [STATED], "benchmarks": [BENCHMARK], "probes": {"entropy": {"runs": ["base"], "prompts": 2}}},
    }
    victim = draw.draw(st.sampled_from(sorted(documents)))
    documents[victim] = altered(documents[victim], draw)
    spec = documents.pop("spec")
    with folder() as place:
        for name, rows in documents.items():
            write_rows(place / name, rows)
        survives(["collect", f"--spec={json.dumps(spec)}", "--results", place, "--out", place / "out"])


@holds("probes that are collected", draw=st.data())
def test_probes(draw: st.DataObject):
    with folder() as place:
        write_rows(place / "data" / "benchmarks" / "math500.jsonl", {"id": "a"})
        write_rows(place / "evaluations" / "red" / "seed0" / "math500.grades.jsonl", [GRADE, {**GRADE, "index": 1}])
        write_rows(place / "runs" / "red" / "seed0" / "metrics.jsonl", [{"train/step": 0}, {"train/step": 1}])
        write_rows(place / "runs" / "red" / "seed0" / "provenance.json", {"steps": 2})
        path = place / "probes" / "red" / "seed0" / "entropy.parquet"
        write_probe(path)
        path.write_bytes(mutated(path.read_bytes(), draw))
        spec = json.dumps({"runs": [STATED], "benchmarks": [BENCHMARK], "probes": {"entropy": PROBED}})
        survives(["collect", "--spec", spec, "--results", place, "--out", place / "out"])


@holds("logs that status shows", draw=st.data())
def test_status(draw: st.DataObject):
    rows = altered([{"train/step": 0, "time/step_s": 0.5}, {"train/step": 1, "red/w": 2.0}], draw)
    with folder() as place:
        path = write_rows(place / "metrics.jsonl", rows)
        path.write_bytes(mutated(path.read_bytes(), draw))
        assert isinstance(refused_or(lambda: status.last_metrics(path)), dict)
        text = status.failure(path)
        assert text is None or len(text.splitlines()) == 1


@holds("a log of w", draw=st.data())
def test_w_log(draw: st.DataObject):
    with folder() as place:
        path = write_rows(place / "metrics.jsonl", altered([{"train/step": 0, "red/w": 2.0}] * 2, draw))
        values = refused_or(lambda: logged_w(path))
        assert values is None or all(isinstance(value, float) for value in values)


@holds("an answer log", draw=st.data())
def test_log(draw: st.DataObject):
    row = {"index": 0, "response": "x", "tokens": 1, "finish_reason": "stop", "seed": 1, "prompt_hash": "x"}
    with folder() as place:
        path = write_rows(place / "log.jsonl", altered([{**row, "id": "a"}, {**row, "id": "b"}], draw))
        log = refused_or(lambda: AnswerLog(path))
        if log is not None:
            log.close()
