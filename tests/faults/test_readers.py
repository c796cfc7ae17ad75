"""Every reader on rows and documents with any value anywhere: one line or success, never a traceback or a hang."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from red.data.demonstrations import CorruptionSpec
from red.data.problems import Limits, load_problems
from red.data.sources import embedded, openr1, read_demonstrations, read_prompts
from red.data.wrong_responses import WrongResponsesSpec
from red.evaluation import benchmarks, catalog
from red.evaluation.answers import AnswerLog
from red.evaluation.generate import EvaluationSettings, GenerationSpec
from red.models import checkpoint
from red.models.folder import load_codec
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import argument, read_jsonl
from red.probes.probe import Probe
from red.study import status
from red.tables.reader import benchmarks_from, read_reported, runs_from
from red.training.schedule import logged_w
from red.world.spec import EmbeddedModel
from tests.faults.case import execute
from tests.faults.fuzz import EXAMPLES, altered, holds, mutated, refused_or
from tests.faults.test_benchmarks import ANSWER, LOCAL, ROW
from tests.faults.test_tables import GRADE, REPORTED, RUN
from tests.faults.world import BENCHMARK, ENTRY, GENERATION, World, grade

pytestmark = pytest.mark.faults("fuzzing")
SPECS: tuple[tuple[type, dict[str, Any]], ...] = (
    (GenerationSpec, GENERATION),
    (EvaluationSettings, GENERATION["evaluation"]),
    (Probe, to_mapping(Probe("entropy", 8, 2, "plain", 64, 32))),
    (WrongResponsesSpec, to_mapping(WrongResponsesSpec())),
    (CorruptionSpec, to_mapping(CorruptionSpec())),
    (EmbeddedModel, to_mapping(EmbeddedModel())),
    (embedded.PromptsSpec, to_mapping(embedded.PromptsSpec())),
    (openr1.PromptsSpec, to_mapping(openr1.PromptsSpec("openr1", data_dir="x"))),
)
STATED = {**RUN, "label": "RED", "row_group": "red", "items": ["x"], "family": "common", "parameters": 138e3}
STATED |= {"spec": {"training": {"lr": 1e-3}}, "study": {"name": "a", "knob": "b", "setting": 0.5}}
STATED |= {"provenance": {"spec_hash": "x", "code": "y", "commit": "z", "dirty": True}}


@pytest.fixture(autouse=True)
def examples(remark) -> None:
    """As many for each reader."""
    remark(f"{EXAMPLES} examples")


@contextmanager
def folder() -> Iterator[Path]:
    """An empty one for one example."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


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


@holds("specs of stages", draw=st.data())
def test_specs(draw: st.DataObject):
    kind, whole = draw.draw(st.sampled_from(SPECS))
    spec = refused_or(lambda: from_mapping(kind, altered(whole, draw, tuple(kind.__dataclass_fields__)), "spec"))
    assert spec is None or from_mapping(kind, to_mapping(spec), "again") == spec


@holds("entries of benchmarks", draw=st.data())
def test_entry(draw: st.DataObject):
    entry = altered(ENTRY, draw, tuple(catalog.Benchmark.__dataclass_fields__))
    refused_or(lambda: catalog.benchmark(draw.draw(st.sampled_from(("math500", "x"))), entry))


@holds("specs on the command line", text=st.text(max_size=30).filter(lambda text: "\0" not in text))
def test_argument(text: str):
    assert isinstance(refused_or(lambda: argument(text)), (dict, type(None)))


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
    problems, answers = [ROW, {**ROW, "id": "b", "options": ["p", "q"], "answer": "A"}], [ANSWER, {**ANSWER, "id": "b"}]
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
        "evaluations/red/seed0/math500.grades.jsonl": [GRADE, {**GRADE, "index": 1}],
        "runs/red/seed0/metrics.jsonl": [{"train/step": step, "loss/total": 0.5} for step in (0, 1)],
        "runs/red/seed0/provenance.json": {"spec_hash": "x", "code": "y", "steps": 2, "environment": {"commit": "z"}},
        "spec": {"runs": [STATED], "benchmarks": [BENCHMARK], "probes": {"entropy": ["base"]}},
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
        write_rows(place / "evaluations" / "red" / "seed0" / "math500.grades.jsonl", GRADE)
        write_rows(place / "runs" / "red" / "seed0" / "metrics.jsonl", {"train/step": 0})
        write_rows(place / "runs" / "red" / "seed0" / "provenance.json", {})
        path = place / "probes" / "red" / "seed0" / "entropy.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"probe": ["entropy"], "value": [0.5]}), path)
        path.write_bytes(mutated(path.read_bytes(), draw))
        spec = json.dumps({"runs": [STATED], "benchmarks": [BENCHMARK], "probes": {"entropy": ["red"]}})
        survives(["collect", "--spec", spec, "--results", place, "--out", place / "out"])


@holds("collected runs and benchmarks", draw=st.data())
def test_listed(draw: st.DataObject):
    runs, named = altered([STATED, {**STATED, "seed": 1}], draw), altered([BENCHMARK], draw)
    for run in refused_or(lambda: runs_from(runs, "runs.json")) or ():
        assert (run.rate, run.origins(), run.parent) is not None and run.label.isprintable()
    for benchmark in refused_or(lambda: benchmarks_from(named, "benchmarks.json")) or ():
        assert benchmark.heading.isprintable()


@holds("the paper's numbers", draw=st.data())
def test_reported(draw: st.DataObject):
    with folder() as place:
        (place / "reported.csv").write_bytes(mutated(REPORTED.read_bytes()[:2000], draw))
        refused_or(lambda: read_reported(place / "reported.csv"))


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


@holds("a model's config and tokenizer", draw=st.data())
def test_model(draw: st.DataObject, world: World):
    """Documents whose values are others; test_fuzz.py damages their bytes."""
    names = ("config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json")
    name = draw.draw(st.sampled_from(names))
    with folder() as place:
        for path in world.base.iterdir():
            shutil.copyfile(path, place / path.name)
        document = json.loads((place / name).read_text())
        keys = ("eos_token_id", "rope_scaling", "chat_template")
        (place / name).write_text(json.dumps(altered(document, draw, keys)))
        found = refused_or(lambda: checkpoint.load(place))
        if found is not None:
            refused_or(lambda: found.codec.prompt("1 + 1", None, "plain", None, "x"))
            refused_or(lambda: found.codec.template_hash("chat"))
