"""Commands at the edge: options out of range, nothing selected, streams that are closed, narrow or full."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from red.plumbing.provenance import ROOT
from red.plumbing.records import to_mapping
from red.plumbing.storage import write_json, write_jsonl
from red.plumbing.terminal import ended
from red.study import config, jobs
from tests.faults.case import named, succeed, table
from tests.faults.runs import ENVIRONMENT
from tests.faults.world import ENTRY, GENERATION, World, grade, run_spec
from tests.fixtures import synthetic

pytestmark = pytest.mark.faults("commands")
# Options of `red evaluate`, pattern.
OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("no grading process", "--workers 0", r"argument --workers: must be at least 1, found 0"),
    ("grading processes that are no number", "--workers many", r"argument --workers: 'many' is no integer"),
    ("no problem", "--limit 0", r"evaluate\.limit: must be at least 1, found 0"),
    ("all problems but one", "--limit -1", r"evaluate\.limit: must be at least 1, found -1"),
    ("2^63 problems", f"--limit {2**63}", r"evaluate\.limit: must be at most 2147483647"),
    ("no answer", "--samples 0", r"samples: must be at least 1, found 0"),
    ("no token", "--max-new-tokens 0", r"evaluation\.max_new_tokens: must be at least 1, found 0"),
    ("negative temperature", "--temperature -1", r"evaluation\.temperature: must be at least 0, found -1"),
    ("temperature that overflows", "--temperature 1e999", r"evaluation\.temperature: must be a finite number"),
    ("temperature that is no number", "--temperature nan", r"evaluation\.temperature: must be a finite number"),
    ("no likely token", "--top-p 0", r"evaluation\.top_p: must be above 0, found 0"),
    ("negative seed", "--seed -1", r"evaluation\.seed: must be at least 0, found -1"),
    ("no benchmark", "--benchmarks ,", r"--benchmarks: give at least one name"),
    ("unknown option", "--no-such-option", r"unrecognized arguments: --no-such-option"),
)


@table("options, pattern", "evaluate: ", OPTIONS)
def test_options(options: str, pattern: str, tmp_path: Path, world: World, check):
    folders = ["--model", world.base, "--benchmarks", "math500", "--out", tmp_path / "out"]
    settings = ["--config", ROOT / "config" / "default.yaml", "--backend", "local", "--max-new-tokens", "8"]
    check(pattern, ["evaluate", *folders, *settings, *options.split()])
    assert not (tmp_path / "out").exists()


@table(
    "spec, pattern",
    "benchmark to make: ",
    [
        ("no problem", {"limit": 0}, r"benchmark\.limit: must be at least 1, found 0"),
        ("all problems but one", {"limit": -1}, r"benchmark\.limit: must be at least 1, found -1"),
        ("half a problem", {"limit": 0.5}, r"benchmark\.limit: expected int, found 0\.5"),
    ],
)
def test_made(spec: dict[str, object], pattern: str, tmp_path: Path, check):
    check(
        pattern, ["data", "benchmark", "--name", "math500", "--spec", json.dumps(spec), "--out", tmp_path / "x.jsonl"]
    )


MANY = 2**31 - 1
Arguments = Callable[[Path, World], list[Any]]


def train(**changes: int) -> Arguments:
    """Arguments of `red train` with another training."""
    training = {**to_mapping(run_spec("sft").training), **changes}

    def arguments(place: Path, world: World) -> list[Any]:
        head, option, spec, *rest = world.train(place / "out", run_spec("sft"))
        return [head, option, json.dumps({**json.loads(spec), "training": training}), *rest]

    return arguments


def prompts(**spec: Any) -> Arguments:
    """Arguments of `red data prompts`."""
    return lambda place, world: ["data", "prompts", "--spec", json.dumps(spec), "--out", place / "out"]


def answer(evaluation: dict[str, int], entry: dict[str, int]) -> Arguments:
    """Arguments of `red generate` with other settings, and another entry of the benchmark."""
    evaluation = {**GENERATION["evaluation"], **evaluation}
    spec = {**GENERATION, "evaluation": evaluation, "benchmarks": {"math500": {**ENTRY, **entry}}}
    return lambda place, world: [*world.generate(place)[:2], json.dumps(spec), *world.generate(place)[3:]]


# What is asked for that would take hours, or all memory: name, arguments, pattern.
HUGE: tuple[tuple[str, Arguments, str], ...] = (
    ("prompts", prompts(count=MANY), r"prompts\.count: must be at most 1048576"),
    ("prompts passed over", prompts(count=4, skip=MANY), r"prompts\.skip: with count more than 1,048,576 questions"),
    ("steps of a problem", prompts(count=4, world={"chains": [[MANY, 0]]}), r"chains\[0\]\[0\]: must be at most 32"),
    ("rollouts of a prompt", train(group_size=MANY), r"training\.group_size: must be at most 1048576"),
    ("prompts of a step", train(prompts_per_step=MANY), r"training\.prompts_per_step: must be at most 1048576"),
    ("rollouts of a step", train(group_size=2**11, prompts_per_step=2**11), r"group_size: with prompts_per_step more"),
    ("tokens of a rollout", train(max_new_tokens=MANY), r"training\.max_new_tokens: must be at most 16777216"),
    ("tokens of an answer", answer({"max_new_tokens": MANY}, {}), r"evaluation\.max_new_tokens: must be at most"),
    ("answers to a problem", answer({}, {"samples": MANY}), r"math500\.samples: must be at most 65536"),
    (
        "processes that grade",
        lambda place, world: [*grade(place, place), "--workers", MANY],
        r"--workers: must be at most 1024",
    ),
)


@table("arguments, pattern", "2^31: ", HUGE)
def test_huge(arguments: Arguments, pattern: str, tmp_path: Path, world: World, check):
    check(pattern, arguments(tmp_path, world))


@named("prompts: none is as short as is asked")
def test_short(tmp_path: Path, check):
    spec = json.dumps({"count": 4, "longest": 2})
    check(
        r"prompts\.longest: no demonstration of 2 tokens", ["data", "prompts", "--spec", spec, "--out", tmp_path / "x"]
    )


@named("generate: no benchmark")
def test_nothing_to_answer(tmp_path: Path, world: World, check):
    arguments = world.generate(tmp_path / "out")
    arguments[2] = json.dumps({**GENERATION, "benchmarks": {}})
    check(r"spec\.benchmarks: name at least one", arguments)


@named("grade: no benchmark")
def test_nothing_to_grade(tmp_path: Path, check):
    arguments = grade(tmp_path, tmp_path)
    arguments[2] = json.dumps({"benchmarks": {}})
    check(r"--spec\.benchmarks: name at least one", arguments)


@named("compare: a protected benchmark is compared and not shown")
def test_protected(tmp_path: Path):
    synthetic.write(tmp_path / "collected", steps=20, fraction=0.1)
    for name, (_, problems, *_) in synthetic.BENCHMARKS.items():
        rows = [{"id": f"{name}-{number}", "question": None, "sealed": "00"} for number in range(problems)]
        write_jsonl(tmp_path / "data" / "benchmarks" / f"{name}.jsonl", rows)
    succeed(["compare", "red", "grpo", "--results", tmp_path, "--out", tmp_path / "x.md"])
    page = (tmp_path / "x.md").read_text()
    assert "problems flipped" in page and "None" not in page


@named("status: one damaged run hides no other")
def test_status(tmp_path: Path):
    (tmp_path / "overlay.yaml").write_text(f"pathvars: {{results: {tmp_path}/results, logs: {tmp_path}/logs}}")
    document = config.load(ROOT / "config" / "default.yaml", tmp_path / "overlay.yaml")
    write_json(jobs.results(document) / "runs" / "red" / "seed0" / "provenance.json", [])
    done = shell("red status --configfile {place}/overlay.yaml", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert any("red seed 0: " in line and "expected an object" in line for line in lines)
    assert sum("waiting" in line for line in lines) > 10


def shell(line: str, place: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash, in which `red` is the program of this checkout; a failure inside of a pipe counts."""
    line = line.format(place=place).replace("red ", f"{sys.executable} -m red ", 1)
    command = ["bash", "-c", f"set -o pipefail; {line}"]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT | environment, capture_output=True, timeout=120)


CLOSED: Sequence[tuple[str, str]] = (
    ("no input", "<&-"),
    ("no output", ">&-"),
    ("no place for errors", "2>&-"),
    ("no stream at all", "<&- >&- 2>&-"),
)


@pytest.fixture(scope="module")
def answers(world: World) -> bytes:
    """Those of open streams."""
    out = world.root / "whole" / "answers"
    succeed(world.generate(out))
    return (out / "math500.generations.jsonl").read_bytes()


@table("closed", "streams: ", CLOSED)
def test_closed(closed: str, tmp_path: Path, world: World, answers: bytes):
    """The answers are the same: nothing is printed into a file that took a free number."""
    command = " ".join(f"'{word}'" for word in world.generate(tmp_path)[1:])
    done = shell(f"red generate {command.replace('{', '{{').replace('}', '}}')} {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "math500.generations.jsonl").read_bytes() == answers


@named("streams: a refusal is said beside a closed output")
def test_refusal(tmp_path: Path):
    done = shell("red collect --spec [] --results {place} >&-", tmp_path)
    assert (done.returncode, done.stderr) == (2, b"red collect: --spec: expected an object\n")


@table("encoding", "terminal: ", [(f"{name} prints every table", name) for name in ("ascii", "latin-1", "cp1252")])
def test_narrow(encoding: str, tmp_path: Path):
    (tmp_path / "overlay.yaml").write_text('runs: {red: {label: "\u03c0 \u2192 \U0001f4a5"}}', encoding="utf-8")
    for command in ("estimate", "status"):
        done = shell(f"red {command} --configfile {{place}}/overlay.yaml", tmp_path, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding).strip()


@named("terminal: a character that it lacks is written as its number")
def test_lacking(tmp_path: Path):
    program = "from red.plumbing.terminal import ended; ended('x', lambda: print('\\u2192') or 0)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"\\u2192\n", b"")


@named("terminal: nothing is said of a reader that leaves")
def test_reader(tmp_path: Path):
    done = shell("red estimate | true", tmp_path)
    assert done.returncode in (0, 1, 141) and done.stderr == b""  # 1 is Rich's


@named("terminal: a full output is one line")
def test_full(tmp_path: Path):
    done = shell("red estimate > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (2, b"red estimate: No space left on device\n")


@named("interrupted by ctrl-C: one line, and the status of a signal")
def test_interrupted(capsys):
    def run() -> int:
        raise KeyboardInterrupt

    assert ended("red grade", run) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "red grade: interrupted\n"


@named("more memory than there is: one line")
def test_memory(capsys):
    import torch

    assert ended("red", lambda: len(torch.empty(1 << 50))) == 2
    assert ended("red", lambda: len(bytes(1 << 60))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("red: not enough memory: ask for less at once") for line in lines)


@named("no home, no user, no language")
def test_no_home(tmp_path: Path):
    bare = {"PATH": os.environ["PATH"]}
    for command in ("status", "estimate", "doctor"):
        done = subprocess.run(
            [sys.executable, "-m", "red", command], cwd=ROOT, env=bare, capture_output=True, timeout=120
        )
        assert done.returncode in (0, 1) and done.stderr == b"", done.stderr


@table(
    "line, expected",
    "",
    [
        ("no command", "red ", b"red: the following arguments are required: COMMAND; red --help tells more\n"),
        ("no spec", "red collect --out x --spec", b"red collect: argument --spec: expected one argument; red collect"),
    ],
)
def test_usage(line: str, expected: bytes, tmp_path: Path):
    done = shell(line, tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(expected) and done.stderr.count(b"\n") == 1
