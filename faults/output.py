"""Hostile model output: in pages, logs, file names and reports; and secrets that must not get there."""

import csv
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

from faults.browser import PAYLOADS, browser, check_quiet, visit
from faults.case import Attempt, Case, Command
from faults.inputs.tables import BENCHMARK
from faults.world import ENTRY, World, run_spec
from red.errors import DataError, one_line
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl, write_json, write_jsonl

KIND = "hostile output"
SECRET = "s3cr3t-c0ff33-5150"
VARIABLES = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "RED_TOKEN", "SOMETHING")
PAGES = ("token_probabilities", "main_results", "cost")


def cases(seed: int) -> list[Case]:
    """All of this class; none is random."""
    return [
        Case("token page: payloads are text, in a browser", KIND, _token_page),
        Case("pages of items: hostile labels and tokens, in a browser", KIND, _item_pages, quick=False),
        Case("report of the workflow: hostile items, in a browser", KIND, _report, quick=False),
        Case("figure: payloads give a well-formed SVG", KIND, _figure, quick=False),
        Case("answers: payloads go through grade and collect unchanged", KIND, _answers),
        Case("answers: lines of megabytes are graded in seconds", KIND, _huge),
        Case("log: control characters of data are shown as escapes", KIND, _log),
        Case("file names: ids of problems never become paths", KIND, _paths),
        *(Case(f"one line: {text!r}", KIND, partial(_one_line, text)) for text in ("\x1b[2J", "a\nb", "\r\x07")),
        Case("secrets of the environment are in no product and no log", KIND, _secrets, quick=False),
        Case("secrets of the environment are in no error message", KIND, _secret_errors, quick=False),
    ]


def _data() -> dict:
    """What the token page shows, with payloads as tokens, problems, labels and references."""
    tokens = list(PAYLOADS)
    response = {
        "tokens": tokens,
        "stage": [i % 4 for i in range(len(tokens))],
        "thinking": [i % 2 for i in range(len(tokens))],
        "trained": [0.9] * len(tokens),
        "base": [0.1] * len(tokens),
    }
    return {
        "stages": ["Open", "Initial", "Intermediate", PAYLOADS[0]],
        "models": [{"run": "red", "label": PAYLOADS[2], "references": ["base"]}],
        "references": {"base": PAYLOADS[3]},
        "responses": {"red": {payload: response for payload in PAYLOADS[:4]}},
    }


def _token_page(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        from analysis.output.token_page import page

        path = folder / "page.html"
        path.write_text(page(PAYLOADS[1], PAYLOADS[2], _data()), encoding="utf-8")
        with browser() as found:
            seen = visit(found, path)
            found.execute_script("document.querySelectorAll('.token').forEach((token) => token.click())")
            check_quiet(found)
        assert "<img src=x" in seen and "<script>window.pwned=1" in seen, seen[:500]
        return f"{len(PAYLOADS)} payloads"

    return attempt


def _study(folder: Path) -> Path:
    """A collected study whose labels and tokens are payloads."""
    import pandas as pd

    from tests.fixtures import synthetic

    collected = synthetic.write(folder / "collected", steps=12, fraction=0.1)
    runs = json.loads((collected / "runs.json").read_text())
    for index, entry in enumerate(runs):
        entry["label"] = f"{entry['label']} {PAYLOADS[index % 4]}"
    (collected / "runs.json").write_text(json.dumps(runs))
    probes = pd.read_parquet(collected / "probes.parquet")
    tokens = [PAYLOADS[index % len(PAYLOADS)] for index in range(len(probes))]
    probes["token"] = probes["token"].where(probes["probe"] != "tokens", pd.Series(tokens))
    probes["example"] = probes["example"].where(probes["probe"] != "tokens", probes["example"] + PAYLOADS[0])
    probes.to_parquet(collected / "probes.parquet", index=False)
    return collected


def _built(folder: Path, *items: str) -> Path:
    collected, out, reported = _study(folder), folder / "out", ROOT / "config" / "reported.csv"
    for item in items:
        status, printed = Command.analysis(item, "--collected", collected, "--reported", reported, "--out", out).run()
        assert status == 0, printed
    return out


def _item_pages(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        out = _built(folder, *PAGES)
        pages = sorted(out.rglob("*.html"))
        assert len(pages) == len(PAGES), pages
        with browser() as found:
            for path in pages:
                visit(found, path)
        return f"{len(pages)} pages"

    return attempt


def _figure(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        out = _built(folder, "token_probabilities")
        ElementTree.parse(out / "figures" / "token_probabilities.svg")
        with (out / "figures" / "token_probabilities.csv").open(encoding="utf-8", newline="") as stream:
            assert len({len(row) for row in csv.reader(stream)}) == 1

    return attempt


SNAKEFILE = """
rule all:
    input: {inputs}
rule item:
    output: report("out/{{name}}.html", caption="caption.rst", category="Tables", labels={{"x": "{{name}}"}})
    shell: "cp made/{{wildcards.name}}.html {{output}}"
rule data:
    output: report("out/{{name}}.csv", category="Data", labels={{"file": "{{name}}.csv"}})
    shell: "cp made/{{wildcards.name}}.csv {{output}}"
"""


def _report(folder: Path, world: World) -> Attempt:
    """Snakemake's own report around the pages, opened and clicked through."""

    def attempt() -> str:
        out, made = _built(folder, "token_probabilities", "main_results"), folder / "flow" / "made"
        made.mkdir(parents=True)
        names = []
        for path in sorted(out.rglob("*.html")) + sorted(out.rglob("*.csv")):
            (made / path.name).write_bytes(path.read_bytes())
            names.append(f"out/{path.name}")
        (made.parent / "caption.rst").write_text(f"Caption with {PAYLOADS[0]} and {PAYLOADS[2]}\n")
        (made.parent / "Snakefile").write_text(SNAKEFILE.format(inputs=", ".join(map(repr, names))))
        for more in (["--cores", "1"], ["--report", "report.html"]):
            command = [sys.executable, "-m", "snakemake", "--quiet", "all", *more]
            done = subprocess.run(command, cwd=made.parent, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
        with browser() as found:
            found.get((made.parent / "report.html").as_uri())
            clicks = _click_through(found)
        return f"{clicks} clicks"

    return attempt


def _click_through(found: object) -> int:
    """Press whatever can be pressed, a few levels deep."""
    from selenium.common.exceptions import WebDriverException

    clicks = 0
    for _ in range(3):
        for index in range(60):
            pressable = found.find_elements("css selector", "button, a[href='#'], summary")
            if index >= len(pressable):
                break
            try:
                pressable[index].click()
                clicks += 1
            except WebDriverException:
                continue
            time.sleep(0.05)
            check_quiet(found)
    assert clicks, "nothing to press"
    return clicks


def _answers(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        answers = [f"{payload} \\boxed{{{index}}}" for index, payload in enumerate(PAYLOADS)]
        grades = list(read_jsonl(_graded(folder, answers) / "math500.grades.jsonl"))
        assert all(row["correct"] for row in grades), [row for row in grades if not row["correct"]]
        return f"{len(grades)} answers"

    return attempt


def _graded(folder: Path, responses: list[str]) -> Path:
    """Grade responses whose right answer is their number."""
    write_jsonl(
        folder / "benchmarks" / "math500.jsonl",
        (
            {"id": f"p{i}", "question": "?", "options": None, "answer": str(i), "extra": {}}
            for i in range(len(responses))
        ),
    )
    write_jsonl(
        folder / "out" / "math500.generations.jsonl",
        (
            {"id": f"p{i}", "index": 0, "response": text, "tokens": 1, "finish_reason": "stop"}
            for i, text in enumerate(responses)
        ),
    )
    spec = json.dumps({"workers": 1, "benchmarks": {"math500": ENTRY}})
    status, printed = Command.red(
        "grade", "--spec", spec, "--evaluation", folder / "out", "--benchmarks", folder / "benchmarks"
    ).run()
    assert status == 0, printed
    return folder / "out"


def _huge(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        big = 5_000_000
        responses = [
            "x" * big + "\\boxed{0}",
            "\\boxed{" * (big // 7),
            "{" * big + "\\boxed{2}",
            "<think>" * (big // 7),
            "\\boxed{" + "9" * big + "}",
            "\n" * big + "\\boxed{5}",
        ]
        started = time.monotonic()
        grades = list(read_jsonl(_graded(folder, responses) / "math500.grades.jsonl"))
        assert [row["correct"] for row in grades] == [True, False, True, False, False, True], grades
        assert time.monotonic() - started < 60

    return attempt


def _log(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        name = "\x1b]0;owned\x07\x1b[31m\n2026 all fine"
        rows = [{"id": name, "question": "?", "options": None, "answer": "", "extra": {}}]
        rows += [{"id": name, "question": "quantum", "options": None, "answer": "1", "extra": {}}]
        shown = []
        for row in rows:
            (folder / "benchmarks").mkdir(exist_ok=True)
            (folder / "benchmarks" / "math500.jsonl").write_text(json.dumps(row))
            arguments = world.generate(folder / "out")
            arguments[arguments.index("--benchmarks") + 1] = str(folder / "benchmarks")
            status, printed = Command.red(*arguments).run()
            assert status == 2 and len(printed.splitlines()) == 1, printed
            assert printed.strip().isprintable(), repr(printed)
            shown.append(printed)
        assert "\\x1b]0;owned" in shown[-1], shown
        return shown[-1].strip().replace(str(folder), "…")

    return attempt


def _one_line(text: str, folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        shown = one_line(DataError(f"file.jsonl: id {text}"))
        assert shown.isprintable() and len(shown.splitlines()) == 1, shown

    return attempt


def _paths(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        ids = ["../../escaped", "/tmp/escaped", "a/b", "..", "CON", "x" * 300, ".hidden"]
        questions = [row["question"] for row in read_jsonl(world.benchmarks / "math500.jsonl")]
        rows = [
            {"id": name, "question": question, "options": None, "answer": "1", "extra": {}}
            for name, question in zip(ids, questions, strict=False)
        ]
        write_jsonl(folder / "in" / "math500.jsonl", rows)
        arguments = world.generate(folder / "in" / "out")
        arguments[arguments.index("--benchmarks") + 1] = str(folder / "in")
        assert Command.red(*arguments).run()[0] == 0
        arguments = world.grade(folder / "in" / "out")
        arguments[arguments.index("--benchmarks") + 1] = str(folder / "in")
        assert Command.red(*arguments).run()[0] == 0
        assert sorted(path.name for path in folder.iterdir()) == ["in"]
        found = {path.name for path in (folder / "in").rglob("*")}
        assert not {name for name in found if "escaped" in name or "xxx" in name or name == "b"}, found
        assert not Path("/tmp/escaped").exists()
        return f"{len(ids)} names"

    return attempt


def _secrets(folder: Path, world: World) -> Attempt:
    """Every stage with secrets in the environment, then every byte searched, and every table decoded."""

    def attempt() -> str:
        import pyarrow.parquet as pq

        run, out = folder / "results/runs/red/seed0", folder / "results/evaluations/red/seed0"
        spec = run_spec("red", steps=2)
        commands = [world.train(run, spec), world.generate(out, run / "checkpoint"), world.grade(out)]
        printed = [_with_secrets(command) for command in commands]
        entry = {
            "run": "red",
            "method": "red",
            "seed": 0,
            "scale": "tiny",
            "steps": 2,
            "label": "RED",
            "items": ["main_results"],
            "row_group": "red",
        }
        collect = {"runs": [entry], "benchmarks": [BENCHMARK]}
        tables, reported = str(folder / "collected"), str(ROOT / "config/reported.csv")
        printed.append(
            _with_secrets(
                ["collect", "--spec", json.dumps(collect), "--results", str(folder / "results"), "--out", tables]
            )
        )
        printed.append(
            _with_secrets(
                ["main_results", "--collected", tables, "--reported", reported, "--out", str(folder / "items")],
                "analysis",
            )
        )
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in files:
            assert SECRET.encode() not in path.read_bytes(), path
            if path.suffix == ".parquet":
                assert SECRET not in str(pq.read_table(path).to_pydict()), path
        assert SECRET not in "".join(printed)
        return f"{len(files)} files searched"

    return attempt


def _with_secrets(arguments: list[str], program: str = "red", expected: int = 0) -> str:
    environment = {**os.environ, **dict.fromkeys(VARIABLES, SECRET), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == expected, done.stderr
    return done.stdout + done.stderr


def _secret_errors(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        spec = run_spec("red")
        write_json(folder / "prompts.jsonl", {"id": 1})
        failing = [
            world.train(folder / "run", spec, parent=folder / "none"),
            world.train(folder / "run", spec, prompts=folder / "prompts.jsonl"),
            world.generate(folder / "out", folder / "none"),
        ]
        for arguments in failing:
            printed = _with_secrets(arguments, expected=2)
            assert SECRET not in printed and not re.search("Traceback", printed), printed

    return attempt
