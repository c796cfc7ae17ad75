"""Hostile model output: in pages, logs, file names and reports; and secrets that must not get there."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.listing import listing
from analysis.output.token_page import page as token_page
from red.errors import DataError, one_line
from red.escape import visible
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl, write_json, write_jsonl
from tests.faults.case import Program, named, refusal, succeed, table
from tests.faults.formats import CHECKS, Elements
from tests.faults.fuzz import IS_CAMPAIGN
from tests.faults.payloads import LABELS, PAYLOADS, check_quiet, click_through, visit
from tests.faults.runs import ENVIRONMENT
from tests.faults.secret import SECRET, SECRETS
from tests.faults.world import BENCHMARK, World, grade, run_spec
from tests.fixtures import synthetic
from tests.fixtures.report import make
from tests.report.browser import browser

pytestmark = pytest.mark.faults("hostile output")
REPORTED = ROOT / "config" / "reported.csv"
ITEMS = tuple(listing()) if IS_CAMPAIGN else ("token_probabilities", "main_results", "cost")


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser."""
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def responses() -> dict[str, Any]:
    """What the token page shows, with payloads as tokens, problems, labels and references."""
    tokens = list(PAYLOADS)
    response = {
        "tokens": tokens,
        "stage": [i % 4 for i in range(len(tokens))],
        "thinking": [i % 2 for i in range(len(tokens))],
        "correct": False,
        "trained": [0.9] * len(tokens),
        "base": [0.1] * len(tokens),
    }
    return {
        "stages": ["Open", "Initial", "Intermediate", PAYLOADS[0]],
        "models": [{"run": "red", "label": PAYLOADS[2], "references": ["base"]}],
        "references": {"base": PAYLOADS[3]},
        "problems": {payload: {"prompt": payload, "gold": payload} for payload in PAYLOADS[:4]},
        "responses": {"red": {payload: response for payload in PAYLOADS[:4]}},
    }


@named("token page: payloads are text, in a browser")
def test_token_page(page, tmp_path: Path, remark):
    file = tmp_path / "page.html"
    file.write_text(token_page(PAYLOADS[1], PAYLOADS[2], responses(), {}), encoding="utf-8")
    text = visit(page, file)
    page.execute_script("document.querySelectorAll('.token').forEach((token) => token.click())")
    check_quiet(page)
    assert "<img src=x" in text and "<script>window.pwned=1" in text, text[:500]
    remark(f"{len(PAYLOADS)} payloads")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collected tables whose labels and tokens are hostile."""
    collected = synthetic.write(tmp_path_factory.mktemp("study") / "collected", steps=12, fraction=0.1)
    for name in ("runs.json", "benchmarks.json"):
        entries = json.loads((collected / name).read_text())
        for index, entry in enumerate(entries):
            entry["label"] = f"{entry['label']} {LABELS[index % len(LABELS)]}"
        (collected / name).write_text(json.dumps(entries))
    probes = pd.read_parquet(collected / "probes.parquet")
    tokens = [PAYLOADS[index % len(PAYLOADS)] for index in range(len(probes))]
    probes["token"] = probes["token"].where(probes["probe"] != "tokens", pd.Series(tokens))
    probes["example"] = probes["example"].where(probes["probe"] != "tokens", probes["example"] + PAYLOADS[0])
    probes.to_parquet(collected / "probes.parquet", index=False)
    return collected


@pytest.fixture(scope="module")
def items(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some items of it."""
    folder = tmp_path_factory.mktemp("items")
    for item in ITEMS:
        succeed([item, "--collected", study, "--reported", REPORTED, "--out", folder], "analysis")
    return folder


@named("plot: hostile folders, metrics and values, every file read back")
def test_plot(tmp_path: Path, remark):
    hostile = (*LABELS, "\x1b[2J", "a\udcff", "a\ufffeb", "汉😀")
    names = [f"{number} {name.replace('/', '-')[:60]}" for number, name in enumerate(hostile)]
    metrics = ("\x1b[2J\0", "</script><img src=x>", "\ufffe $\\frac$")
    for number, name in enumerate(names):
        (tmp_path / name).mkdir()
        rows = [{"train/step": step, **dict.fromkeys(metrics, step)} for step in range(4)]
        rows[2] |= dict.fromkeys(metrics, (1e308, -1e308, 10**400)[number % 3])
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for file in ("x.html", "x.svg", "x.png"):
        succeed(["plot", *(tmp_path / name for name in names), "--out", tmp_path / file])
    CHECKS[".svg"](tmp_path / "x.svg")
    assert "<img src=x" not in (tmp_path / "x.html").read_text()
    remark(f"{len(names)} names")


@named("pages of items: hostile labels and tokens, in a browser")
def test_item_pages(items: Path, page, remark):
    files = sorted(items.rglob("*.html"))
    assert len(files) == len(ITEMS), files
    for file in files:
        visit(page, file)
    remark(f"{len(files)} pages")


@pytest.fixture(scope="module")
def report(repository: Path, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snakemake's, with ours beside it: hostile labels in the configuration and in the tables, folders with spaces."""
    hostile = [label for label in LABELS if label.isprintable() and label]
    labels = (" ".join(part) for part in zip(hostile[::3], hostile[1::3], hostile[2::3], strict=False))
    runs = {run: {"label": next(labels)} for run in ("red", "luffy", "grpo", "sft")}
    named = {name: {"label": next(labels)} for name in ("math500", "amc", "aime24")}
    places = {name: f"{name}/my run" for name in ("results", "logs", "benchmarks")}
    overlay = {"only": list(runs), "runs": runs, "benchmarks": named, "pathvars": places, "seeds": [0], "probes": {}}
    folder = tmp_path_factory.mktemp("report")
    return make(
        repository,
        folder,
        study,
        items=["overview", "premises", "entropy_trends", "main_results", "token_probabilities"],
        **overlay,
    )


@pytest.mark.long
@named("report of the workflow: hostile labels, read back")
def test_report_text(report: Path, study: Path, remark):
    """Scripts and the frames that they fill are ours; everything else holds every label as text: no element, attribute
    or address of theirs."""
    text = report.with_name("report.html").read_text(encoding="utf-8")
    script = r"<script( type=\"[a-z/-]+\"( id| data-file)=\"[\w.-]+\")?>.*?</script>"
    frame = r"<iframe title=\"[^\"<>]+\" data-page=\"[\w.]+\"></iframe>"
    page = Elements(re.sub(f"{script}|{frame}", "", text, flags=re.DOTALL))
    shown = " ".join(page.text.split())
    first = [entry for entry in json.loads((study / "runs.json").read_text()) if entry["seed"] == 0]
    labels = [entry["label"] for entry in first if entry["run"] in ("red", "sft")]  # of a run with several seeds
    assert labels
    for label in labels:
        assert visible(label) in shown, label
    remark(f"{page.count} elements")


@pytest.mark.long
@named("report of the workflow: hostile items, in a browser")
def test_report(report: Path, page, remark):
    """Both are opened and clicked through."""
    visit(page, report.with_name("report.html"))
    page.get(report.as_uri())
    check_quiet(page)
    remark(f"{click_through(page)} clicks")


@named("items: hostile labels and tokens, every file read back")
def test_item_files(items: Path, remark):
    """The token page has a script of its own: see below."""
    files = [path for path in sorted(items.rglob("*.*")) if path.name != "token_probabilities.html"]
    for path in files:
        CHECKS.get(path.suffix, Path.read_bytes)(path)
    remark(f"{len(files)} files")


def grades(folder: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Verdicts on responses whose right answer is their number."""
    write_jsonl(folder / "benchmarks" / "math500.jsonl", (problem(f"p{i}", "?", str(i)) for i in range(len(texts))))
    write_jsonl(
        folder / "out" / "math500.generations.jsonl",
        (
            {"id": f"p{i}", "index": 0, "response": text, "tokens": 1, "finish_reason": "stop"}
            for i, text in enumerate(texts)
        ),
    )
    succeed(grade(folder / "out", folder / "benchmarks", samples=1))
    return list(read_jsonl(folder / "out" / "math500.grades.jsonl"))


def problem(name: str, question: str, answer: str) -> dict[str, Any]:
    """A row of a benchmark."""
    return {"id": name, "question": question, "options": None, "answer": answer, "extra": {}}


@named("answers: payloads go through grade and collect unchanged")
def test_answers(tmp_path: Path, remark):
    verdicts = grades(tmp_path, [f"{payload} \\boxed{{{index}}}" for index, payload in enumerate(PAYLOADS)])
    assert all(row["correct"] for row in verdicts), [row for row in verdicts if not row["correct"]]
    remark(f"{len(verdicts)} answers")


@named("answers: lines of megabytes are graded in seconds")
def test_huge_answers(tmp_path: Path):
    size = 5_000_000
    texts = [
        "x" * size + "\\boxed{0}",
        "\\boxed{" * (size // 7),
        "{" * size + "\\boxed{2}",
        "<think>" * (size // 7),
        "\\boxed{" + "9" * size + "}",
        "\n" * size + "\\boxed{5}",
    ]
    started = time.monotonic()
    assert [row["correct"] for row in grades(tmp_path, texts)] == [True, False, True, False, False, True]
    assert time.monotonic() - started < 60


@named("log: control characters of data are shown as escapes")
def test_log(tmp_path: Path, world: World, remark):
    name = "\x1b]0;owned\x07\x1b[31m\n2026 all fine"
    for row in (problem(name, "?", ""), problem(name, "quantum", "1")):
        (tmp_path / "math500.jsonl").write_text(json.dumps(row))
        line = refusal(world.generate(tmp_path / "out", benchmarks=tmp_path))
        assert line.isprintable(), repr(line)
    assert "\\x1b]0;owned" in line, line
    remark(line.replace(str(tmp_path), "…"))


@named("file names: ids of problems never become paths")
def test_ids(tmp_path: Path, world: World, remark):
    ids = ["../../escaped", "/tmp/escaped", "a/b", "..", "CON", "x" * 300, ".hidden"]
    questions = [row["question"] for row in read_jsonl(world.benchmarks / "math500.jsonl")]
    rows = [problem(name, question, "1") for name, question in zip(ids, questions, strict=False)]
    write_jsonl(tmp_path / "in" / "math500.jsonl", rows)
    succeed(world.generate(tmp_path / "in" / "out", benchmarks=tmp_path / "in"))
    succeed(grade(tmp_path / "in" / "out", tmp_path / "in"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    names = {path.name for path in (tmp_path / "in").rglob("*")}
    assert not {name for name in names if "escaped" in name or "xxx" in name or name == "b"}, names
    assert not Path("/tmp/escaped").exists()
    remark(f"{len(ids)} names")


@table("text", "one line: ", [(repr(text), text) for text in ("\x1b[2J", "a\nb", "\r\x07")])
def test_one_line(text: str):
    line = one_line(DataError(f"file.jsonl: id {text}"))
    assert line.isprintable() and len(line.splitlines()) == 1, line


def with_secrets(arguments: Sequence[object], program: Program = "red", status: int = 0) -> str:
    """What a command prints that has secrets in its environment."""
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        cwd=ROOT,
        env={**ENVIRONMENT, **SECRETS},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@named("secrets of the environment are in no product and no log")
def test_secrets_in_products(tmp_path: Path, world: World, remark):
    """Every stage with secrets in the environment, then every byte searched, and every table decoded."""
    results, tables = tmp_path / "results", tmp_path / "collected"
    run, evaluation = results / "runs" / "fault" / "seed3", results / "evaluations" / "fault" / "seed3"
    entry = {
        "run": "fault",
        "method": "red",
        "seed": 3,
        "scale": "tiny",
        "steps": 2,
        "label": "RED",
        "items": ["main_results"],
        "row_group": "red",
    }
    spec = json.dumps({"runs": [entry], "benchmarks": [BENCHMARK]})
    shutil.copytree(world.benchmarks, results / "data" / "benchmarks")
    item = ["main_results", "--collected", tables, "--reported", REPORTED, "--out", tmp_path / "items"]
    output = [
        with_secrets(world.train(run, run_spec("red", steps=2))),
        with_secrets(world.generate(evaluation, run / "checkpoint")),
        with_secrets(grade(evaluation, world.benchmarks)),
        with_secrets(["collect", "--spec", spec, "--results", results, "--out", tables]),
        with_secrets(item, "analysis"),
    ]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
        if path.suffix == ".parquet":
            assert SECRET not in str(pq.read_table(path).to_pydict()), path
    assert SECRET not in "".join(output)
    remark(f"{len(files)} files searched")


@named("secrets of the environment are in no error message")
def test_secrets_in_errors(tmp_path: Path, world: World):
    spec = run_spec("red")
    write_json(tmp_path / "prompts.jsonl", {"id": 1})
    for arguments in (
        world.train(tmp_path / "run", spec, parent=tmp_path / "none"),
        world.train(tmp_path / "run", spec, prompts=tmp_path / "prompts.jsonl"),
        world.generate(tmp_path / "out", tmp_path / "none"),
    ):
        output = with_secrets(arguments, status=2)
        assert SECRET not in output and "Traceback" not in output, output
