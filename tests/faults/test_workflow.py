"""The workflow itself: killed with its jobs or without them, started twice, given a wrong configuration, requeued."""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from red.plumbing.provenance import ROOT
from tests.faults.case import named, table
from tests.faults.memory import NoMemory
from tests.faults.record import SEED
from tests.faults.runs import ENVIRONMENT, MOMENTS, compare, whole
from tests.faults.secret import SECRET, SECRETS
from tests.faults.world import World, run_spec

KIND = "exact resume"
pytestmark = [pytest.mark.faults(KIND), pytest.mark.long]
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
RUNS = Path("results/x/runs")
# Snakemake's own view of new files; jobs see what they were promised.
LATE = """
import os, stat, sys, time

def late(look):
    def found(path, *arguments, **options):
        status = look(path, *arguments, **options)
        if isinstance(path, (str, os.PathLike)) and "/results/" in os.path.abspath(path):
            is_product = not stat.S_ISDIR(status.st_mode) or os.path.basename(path) in ("checkpoint", "snapshots")
            if is_product and time.time() - status.st_ctime < float(os.environ["LATE"]):
                raise FileNotFoundError(2, "not seen yet", os.fspath(path))
        return status
    return found

if sys.orig_argv[1:3] == ["-m", "snakemake"]:
    os.stat, os.lstat = late(os.stat), late(os.lstat)
"""
MINUTES = 10


def directory(place: Path, overlay: str = OVERLAY) -> Path:
    """Where a workflow runs: its configuration."""
    shutil.copytree(ROOT / "config", place / "config")
    (place / "overlay.yaml").write_text(overlay)
    return place


def start(place: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """The workflow in a process group of its own, so that it can be killed with its jobs."""
    files = ["--snakefile", str(ROOT / "workflow" / "Snakefile"), *options, "--configfile", "overlay.yaml"]
    target = str(RUNS / "sft_grpo" / "seed0" / "checkpoint")
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", target, "--cores", "1", "--rerun-incomplete", *files],
        cwd=place,
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for the end, which must be good."""
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output[-3000:]


@pytest.fixture(scope="module")
def undisturbed(world: World) -> Path:
    """The same workflow left alone, with secrets in its environment that must not be found again."""
    place = directory(world.root / "workflow")
    finish(start(place, **SECRETS))
    for path in place.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), f"a secret is in {path}"
    return place


KILLS = {
    "workflow killed with all its jobs, three times, unlocked, same command": ("sft", "sft", "sft_grpo"),
    "workflow alone killed while its job lives on, unlocked, same command": ("sft",),
}


@pytest.mark.parametrize(
    "runs",
    [pytest.param(runs, id=name, marks=pytest.mark.faults(KIND, count=len(runs))) for name, runs in KILLS.items()],
)
def test_kills(runs: tuple[str, ...], tmp_path: Path, undisturbed: Path, remark):
    with_jobs = len(runs) > 1
    place, draw, kills = directory(tmp_path / "flow"), random.Random(SEED + (not with_jobs)), 0
    for run in runs:
        process = in_training(place, run)
        time.sleep(draw.uniform(0, 0.6))
        if process.poll() is None:
            (os.killpg if with_jobs else os.kill)(process.pid, signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        # A killed workflow leaves its lock behind.
        start(place, "--unlock").communicate(timeout=300)
    finish(start(place))
    compare_all(undisturbed, place)
    assert kills == len(runs), f"only {kills} kills came"
    remark(f"{kills} kills")


def changed(path: Path) -> int:
    """When the file was written last; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def in_training(place: Path, run: str) -> subprocess.Popen[str]:
    """The workflow, started, once a run of it has made a step, or the workflow has ended."""
    metrics = place / RUNS / run / "seed0" / "state" / "metrics.jsonl"
    before, process = changed(metrics), start(place)
    while process.poll() is None and changed(metrics) == before:
        time.sleep(0.02)
    return process


@named("workflow suspended with its jobs for half a minute")
def test_suspended(tmp_path: Path, undisturbed: Path):
    place = directory(tmp_path / "flow")
    process = in_training(place, "sft")
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(30)
    os.killpg(process.pid, signal.SIGCONT)
    finish(process)
    compare_all(undisturbed, place)


@named("job of a workflow killed by the kernel for want of memory: the workflow tries it again")
def test_memory(no_memory: NoMemory, tmp_path: Path, undisturbed: Path):
    place = directory(tmp_path / "flow")
    process = in_training(place, "sft")
    no_memory.take(newest_job(process))
    finish(process)
    assert no_memory.kills == 1
    compare_all(undisturbed, place)


def newest_job(workflow: subprocess.Popen[str]) -> int:
    """The process of a workflow that runs `red train`."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = line.read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"red", b"train"] and os.getsid(int(line.parent.name)) == workflow.pid:
                return int(line.parent.name)
    raise AssertionError("no training runs")


# Seconds after which others see a file, as on a network file system; Snakemake waits five.
@table(
    "seconds, is_soon", "files that others see ", [("late, within the wait", 3, True), ("after the wait", 20, False)]
)
def test_late(seconds: int, is_soon: bool, tmp_path: Path, undisturbed: Path):
    place = directory(tmp_path / "flow")
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "sitecustomize.py").write_text(LATE)
    process = start(place, PYTHONPATH=f"{tmp_path / 'late'}{os.pathsep}{ROOT}", LATE=str(seconds))
    output, _ = process.communicate(timeout=600)
    assert (process.returncode == 0) == is_soon, output[-3000:]
    if not is_soon:
        assert "after 5 seconds" in output, output[-3000:]
        finish(start(place))
    compare_all(undisturbed, place)


@named("clock a day ahead until the workflow was killed: refused in words, and nothing is trained again")
def test_clock(tmp_path: Path, undisturbed: Path):
    place = directory(tmp_path / "flow")
    process = in_training(place, "sft_grpo")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    later = time.time() + 86400
    for path in place.rglob("*"):
        os.utime(path, (later, later))
    start(place, "--unlock").communicate(timeout=300)
    process = start(place)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1 and "could indicate a clock skew problem" in output, output[-3000:]
    for path in place.rglob("*"):
        os.utime(path)
    finish(start(place))
    compare_all(undisturbed, place)


def compare_all(left: Path, right: Path) -> None:
    """Both runs of two workflows."""
    for run in ("sft", "sft_grpo"):
        compare(left / RUNS / run / "seed0", right / RUNS / run / "seed0", inputs=False)


@named("two workflows at once: the second is refused in one line")
def test_two_workflows(tmp_path: Path, undisturbed: Path, remark):
    place = directory(tmp_path / "flow")
    first = start(place)
    while first.poll() is None and not list(place.glob(".snakemake/locks/*")):
        time.sleep(0.05)
    second = start(place)
    output, _ = second.communicate(timeout=300)
    assert second.returncode != 0 and "Directory cannot be locked" in output, output[-2000:]
    finish(first)
    compare(undisturbed / RUNS / "sft_grpo" / "seed0", place / RUNS / "sft_grpo" / "seed0", inputs=False)
    remark("the first finished undisturbed")


@pytest.mark.faults("bad input")
@table(
    "overlay, message",
    "workflow started with ",
    [
        ("an unknown item: refused before any job", "items: [nothing]", "items: no item 'nothing'"),
        ("a folder that is a command: refused before any job", 'pathvars: {logs: "a; touch RAN"}', "pathvars.logs: "),
        ("a key twice: refused before any job", "seeds: [0]\nseeds: [1]", "key 'seeds' occurs twice"),
    ],
)
def test_refusals(overlay: str, message: str, tmp_path: Path, remark):
    process = start(directory(tmp_path / "flow", overlay), "--dry-run")
    output, _ = process.communicate(timeout=300)
    (line,) = [line for line in output.splitlines() if line.startswith("config: ")]
    assert process.returncode != 0 and message in line and "Traceback" not in output, output
    remark(line.replace(str(tmp_path), "…"))


@named("requeued by Slurm")
def test_slurm(tmp_path: Path, world: World, remark):
    """A training job that the controller requeues once two steps are done."""
    if shutil.which("sinfo") is None or subprocess.run(["sinfo", "--noheader"], capture_output=True).returncode:
        pytest.skip("no Slurm controller answers; a requeued job starts like the jobs that were killed above")
    spec, run, script = run_spec("red", steps=40), tmp_path / "run", tmp_path / "job.sh"
    command = shlex.join([*MOMENTS, "{}", "--", *world.train(run, spec)])
    script.write_text(f"#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexport OMP_NUM_THREADS=1\nexec {command}\n")
    job = slurm("sbatch", "--parsable", "--requeue", f"--output={tmp_path}/log", str(script)).split(";")[0]
    wait_until(lambda: len(list((run / "state").glob("state-*.bin"))) == 2, job)
    slurm("scontrol", "requeue", job)
    # A requeued job waits before it may start again.
    wait_until((run / "provenance.json").exists, job)
    compare(whole(world, spec), run)
    remark("requeued once")


def slurm(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def wait_until(done: Callable[[], bool], job: str) -> None:
    """AssertionError with the job's state after some minutes."""
    deadline = time.monotonic() + 60 * MINUTES
    while not done():
        assert time.monotonic() < deadline, slurm("scontrol", "show", "job", job)
        time.sleep(0.5)
