"""What one waits for around the work itself: start-up, plans, and one new figure."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.compare import REPOSITORY
from bench.row import Bar, Case, Done, Row, Run, Setting, Side

MINIMAL = ["config/default.yaml", "bench/minimal.yaml"]
ITEM = "analysis/items/training_dynamics.py"

ROW = Row(
    title="The command line and the DAG",
    work="runs",
    sides=(Side("ours", "main"),),
    cases=(
        Case("python -m red --help", {"what": "help"}),
        Case("paper scale, dry run", {"what": "paper"}, 3),
        Case("1,000 runs beside those of the tiny scale, dry run", {"what": "many", "runs": 1000}, 1),
        Case("shortened reproduction, nothing to do", {"what": "nothing"}, 3),
        Case("edited analysis module to its new figure", {"what": "edited"}, 3),
    ),
    bars=(
        Bar("ours", "time", 0.5, "python -m red --help"),
        Bar("ours", "time", 10.0, "1,000 runs beside those of the tiny scale, dry run"),
    ),
    notes="Nearly all of a plan's time is Snakemake's own start (about 1 s) and its graph of files.",
)


def prepare(setting: Setting) -> Run:
    """A run is one command. The last two need a finished shortened reproduction, made here (minutes)."""
    what = setting.size["what"]
    if what == "help":
        return lambda: _done([sys.executable, "-m", "red", "--help"], REPOSITORY)
    if what == "paper":
        return lambda: _done(_snakemake("all", "-n", "--quiet", "--configfile", "config/paper.yaml"), REPOSITORY)
    if what == "many":
        overlay = _many(setting.size["runs"])
        return lambda: _done(_snakemake("all", "-n", "--quiet", "--configfile", MINIMAL[0], str(overlay)), REPOSITORY)
    copy = _finished_copy()
    if what == "nothing":
        return lambda: _done(_snakemake("all", "--configfile", *MINIMAL), copy)

    def edited() -> Done:
        file = copy / ITEM
        text = file.read_text(encoding="utf-8")
        file.write_text(f"{text}\n\nEDITED_{len(text)} = True\n", encoding="utf-8")
        return _done(_snakemake("all", "--configfile", *MINIMAL), copy)

    return edited


def _snakemake(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", arguments[0], "--cores", "1", *arguments[1:]]


def _done(command: list[str], folder: Path) -> Done:
    # The workflow's commands say `python`: it has to be this one.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return Done(1)


def _many(count: int) -> Path:
    """An overlay of so many further runs, none of which is like another."""
    overlay = Path(tempfile.mkdtemp()) / "many.yaml"
    runs = (
        f"  many_{i}: {{like: red, seeds: [0], weight: {{window: {i + 1}}}, label: RED {i}, items: []}}"
        for i in range(count)
    )
    folders = "pathvars: {results: results/many, logs: logs/many, benchmarks: benchmarks/many}"
    overlay.write_text("\n".join([folders, "runs:", *runs]), encoding="utf-8")
    return overlay


def _finished_copy() -> Path:
    """A copy of the tracked files with the shortened reproduction done."""
    copy = Path(tempfile.mkdtemp())
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name)
    _done(_snakemake("all", "--configfile", *MINIMAL), copy)
    return copy
