"""`python -m tests.faults.load [PART OF A NAME]`: time and memory under load, into the figures of the campaign.

Grading, collecting, a long run and a wide DAG, each size in a process of its own (an hour in all).
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from red.plumbing.provenance import ROOT
from red.plumbing.storage import write_jsonl
from tests.faults.record import save_load
from tests.faults.runs import ENVIRONMENT
from tests.faults.world import BENCHMARK, grade

PROBLEMS = 500
# A child's peak is at least that of the process that started it, so a small one stands in between.
LAUNCHER = """
import resource, subprocess, sys
status = subprocess.call([sys.executable, *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
RUN = {"run": "red", "method": "red", "seed": 0, "scale": "tiny"}


@dataclass(frozen=True)
class Figure:
    """One point of a curve."""

    what: str
    size: int
    seconds: float
    peak_mib: int


def _timed(what: str, size: int, command: Sequence[str], folder: Path) -> Figure:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command], env=ENVIRONMENT, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    peak = int(done.stdout.splitlines()[-1]) / 1024
    return Figure(what, size, round(time.monotonic() - started, 1), round(peak))


def _responses(count: int) -> Iterator[dict]:
    """Right, wrong and unanswered ones, 100 to 900 characters long."""
    draw = random.Random(7)
    for index in range(count):
        problem, sample = index % PROBLEMS, index // PROBLEMS
        thought = "so we add the next term and check it again. " * draw.randrange(2, 20)
        answer = draw.choice([problem, problem + 1, f"\\frac{{{2 * problem}}}{{2}}", f"{problem}.0", ""])
        box = f"\\boxed{{{answer}}}" if answer != "" else "and so on"
        yield {
            "id": f"p{problem}",
            "index": sample,
            "response": f"<think>{thought}</think> {box}",
            "tokens": len(thought) // 4,
            "finish_reason": "stop",
        }


def _problems(folder: Path) -> None:
    write_jsonl(
        folder / "math500.jsonl",
        ({"id": f"p{i}", "question": "?", "options": None, "answer": str(i), "extra": {}} for i in range(PROBLEMS)),
    )


def _grading(folder: Path, size: int) -> list[str]:
    _problems(folder / "benchmarks")
    write_jsonl(folder / "out" / "math500.generations.jsonl", _responses(size))
    return ["-m", "red", *grade(folder / "out", folder / "benchmarks", size // PROBLEMS)]


def _collect(folder: Path, benchmarks: list[dict[str, Any]], steps: int) -> list[str]:
    spec = json.dumps({"runs": [{**RUN, "steps": steps}], "benchmarks": benchmarks})
    return ["-m", "red", "collect", "--spec", spec, "--results", str(folder), "--out", str(folder / "collected")]


def _run_files(folder: Path, steps: int) -> None:
    run = folder / "runs" / "red" / "seed0"
    names = [f"group/metric{index}" for index in range(40)]
    draw = random.Random(7)
    write_jsonl(
        run / "metrics.jsonl",
        ({"train/step": step, **{name: draw.random() for name in names}} for step in range(steps)),
    )
    (run / "provenance.json").write_text(json.dumps({"steps": steps}))


def _collecting(folder: Path, size: int) -> list[str]:
    _run_files(folder, 1)
    write_jsonl(
        folder / "evaluations" / "red" / "seed0" / "math500.grades.jsonl",
        (
            {
                "id": f"p{i % PROBLEMS}",
                "index": i // PROBLEMS,
                "correct": i % 3 == 0,
                "correct_lenient": i % 3 == 0,
                "reason": "right",
                "tokens": i % 900,
                "truncated": False,
            }
            for i in range(size)
        ),
    )
    _problems(folder / "data" / "benchmarks")
    return _collect(folder, [{**BENCHMARK, "samples": size // PROBLEMS}], 1)


def _metrics(folder: Path, size: int) -> list[str]:
    _run_files(folder, size)
    return _collect(folder, [], size)


def _planning(folder: Path, size: int) -> list[str]:
    """A dry run of the workflow: what a user waits for before the first job."""
    shutil.copytree(ROOT / "config", folder / "config")
    runs = "".join(f"  red_{i}: {{like: red, seeds: [0], weight: {{low: 0.{i:03d}}}}}\n" for i in range(size))
    only = ", ".join(f"red_{i}" for i in range(size))
    (folder / "overlay.yaml").write_text(f"seeds: [0]\nruns:\n{runs}only: [{only}]\nitems: [main_results]\n")
    place = ["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--directory", str(folder)]
    options = ["all", "--dry-run", "--quiet", "all", "--cores", "1", *place]
    return ["-m", "snakemake", *options, "--configfile", str(folder / "overlay.yaml")]


# What is loaded: how its files and its command are made, and its sizes.
LOADS: dict[str, tuple[Callable[[Path, int], list[str]], tuple[int, ...]]] = {
    "generations graded": (_grading, (10_000, 100_000, 1_000_000)),
    "generations collected": (_collecting, (10_000, 100_000, 1_000_000)),
    "steps of metrics collected": (_metrics, (1_000, 10_000, 100_000)),
    "runs planned in one DAG": (_planning, (50, 100, 200)),
}


def main(part: str = "") -> None:
    """Smallest first, so that a curve can be read before it is done."""
    for what, (make, sizes) in LOADS.items():
        for size in sizes if part in what else ():
            with tempfile.TemporaryDirectory(prefix="load-") as folder:
                figure = _timed(what, size, make(Path(folder), size), Path(folder))
            print(figure, file=sys.stderr, flush=True)
            save_load(Path(__file__).parent, asdict(figure))


if __name__ == "__main__":
    main(*sys.argv[1:])
