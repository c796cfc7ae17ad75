"""The workflow itself: killed with its jobs or without them, started twice, given a wrong configuration."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from faults.case import Attempt, Case, Untestable
from faults.output import SECRET, VARIABLES
from faults.resume import KIND, compare
from faults.world import World
from red.plumbing.provenance import ROOT

# One short run and what it starts from; enough of the DAG for every kind of job before evaluation.
OVERLAY = """
pathvars: {results: results/x, logs: logs/x, benchmarks: benchmarks/x}
seeds: [0]
only: [sft_grpo]
model: {steps: 200}
large_model: null
data: {prompts: {count: 200}}
common: {steps: 80, prompts_per_step: 4, group_size: 4, max_new_tokens: 48, cosine_every: 2, entropy_every: 2}
runs: {sft: {steps: 200, prompts_per_step: 8}}
probes: {}
items: [main_results]
"""
TARGET = "results/x/runs/sft_grpo/seed0/checkpoint"


def cases(seed: int) -> list[Case]:
    """All of this class."""
    return [
        Case(
            "workflow killed with all its jobs, three times, unlocked, same command",
            KIND,
            partial(_killed, seed, True),
            quick=False,
            faults=3,
        ),
        Case(
            "workflow alone killed while its job lives on, unlocked, same command",
            KIND,
            partial(_killed, seed + 1, False),
            quick=False,
        ),
        Case("two workflows at once: the second is refused in one line", KIND, _twice, quick=False),
        Case(
            "workflow started with an unknown item: refused before any job",
            "bad input",
            partial(_refused, "items: [nothing]", "items: 'nothing' is unknown"),
            quick=False,
        ),
        Case(
            "workflow started with a key twice: refused before any job",
            "bad input",
            partial(_refused, "seeds: [0]\nseeds: [1]", "key 'seeds' occurs twice"),
            quick=False,
        ),
        Case("requeued by Slurm", KIND, _slurm, quick=False),
    ]


def _folder(place: Path, overlay: str = OVERLAY) -> Path:
    place.mkdir(exist_ok=True)
    shutil.copytree(ROOT / "config", place / "config", dirs_exist_ok=True)
    (place / "overlay.yaml").write_text(overlay)
    return place


def _start(place: Path, *more: str, secret: bool = False) -> subprocess.Popen[str]:
    """The workflow in a process group of its own, so that it can be killed with its jobs."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment |= dict.fromkeys(VARIABLES, SECRET) if secret else {}
    command = [
        sys.executable,
        "-m",
        "snakemake",
        TARGET,
        "--cores",
        "1",
        "--rerun-incomplete",
        "--snakefile",
        str(ROOT / "workflow" / "Snakefile"),
        *more,
        "--configfile",
        "overlay.yaml",
    ]
    return subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _unlock(place: Path) -> None:
    """A killed workflow leaves its lock behind."""
    _start(place, "--unlock").communicate(timeout=300)


def _finish(place: Path) -> None:
    process = _start(place)
    said, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, said[-3000:]


def _whole(world: World) -> Path:
    """The same workflow left alone, with secrets in its environment that must not be found again."""
    place = world.root / "workflow"
    if not (place / TARGET).exists():
        process = _start(_folder(place), secret=True)
        said, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, said[-3000:]
        for path in place.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), f"a secret is in {path}"
    return place


def _killed(seed: int, with_jobs: bool, folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        expected, draw, place = _whole(world), random.Random(seed), _folder(folder / "flow")
        kills = 0
        for run in ("sft", "sft", "sft_grpo") if with_jobs else ("sft",):
            process = _start(place)
            state = place / f"results/x/runs/{run}/seed0/state/metrics.jsonl"
            before = _changed(state)
            while process.poll() is None and _changed(state) == before:
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 0.6))
            if process.poll() is None:
                (os.killpg if with_jobs else os.kill)(process.pid, signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            _unlock(place)
        _finish(place)
        for run in ("sft", "sft_grpo"):
            where = Path("results/x/runs") / run / "seed0"
            compare(expected / where, place / where, inputs=False)
        assert kills == (3 if with_jobs else 1), f"only {kills} kills came"
        return f"{kills} kills"

    return attempt


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _twice(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        place = _folder(folder / "flow")
        first = _start(place)
        while first.poll() is None and not (place / ".snakemake" / "locks").exists():
            time.sleep(0.05)
        while first.poll() is None and not list((place / ".snakemake" / "locks").iterdir()):
            time.sleep(0.05)
        second = _start(place)
        said, _ = second.communicate(timeout=300)
        assert second.returncode != 0 and "Directory cannot be locked" in said, said[-2000:]
        said, _ = first.communicate(timeout=1800)
        assert first.returncode == 0, said[-3000:]
        where = Path("results/x/runs/sft_grpo/seed0")
        compare(_whole(world) / where, place / where, inputs=False)
        return "the first finished undisturbed"

    return attempt


def _refused(overlay: str, expected: str, folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        process = _start(_folder(folder / "flow", overlay), "--dry-run")
        said, _ = process.communicate(timeout=300)
        (line,) = [line for line in said.splitlines() if line.startswith("config: ")]
        assert process.returncode != 0 and expected in line and "Traceback" not in said, said
        return line.replace(str(folder), "…")

    return attempt


def _slurm(folder: Path, world: World) -> Attempt:
    """The controller restarts the node's job; the state is the one that the kill tests exercise."""

    def attempt() -> str:
        from faults.slurm import requeued

        return requeued(folder, world)

    if shutil.which("sinfo") is None or subprocess.run(["sinfo", "--noheader"], capture_output=True).returncode:
        raise Untestable("no Slurm controller answers; a requeued job starts like the jobs that were killed above")
    return attempt
