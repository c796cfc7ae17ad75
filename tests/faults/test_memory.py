"""Processes that the kernel ends because no memory is left: a training, a grading worker."""

import signal
import subprocess
from pathlib import Path

import pytest

from red.grading.algebra.pool import TRIES
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl
from tests.faults.case import named, refusal, succeed
from tests.faults.memory import NoMemory, until
from tests.faults.runs import ENVIRONMENT, MOMENTS, compare, planned, whole
from tests.faults.test_workers import each_worker, grade
from tests.faults.world import World, run_spec

pytestmark = pytest.mark.faults("fate of a process")


@named("training killed by the kernel for want of memory, same command")
def test_training(no_memory: NoMemory, tmp_path: Path, world: World):
    spec, run = run_spec("red", steps=40), tmp_path / "run"
    arguments = world.train(run, spec)
    process = subprocess.Popen([*MOMENTS, "{}", "--", *arguments], cwd=ROOT, env=ENVIRONMENT)
    until(lambda: process.poll() is not None or list(run.glob("state/state-*.bin")))
    no_memory.take(process.pid)
    assert (process.wait(timeout=120), no_memory.kills) == (-signal.SIGKILL, 1)
    assert planned({}, arguments)[0] == 0
    compare(whole(world, spec), run)


@named("worker killed by the kernel for want of memory: the verdict is the same")
def test_worker(no_memory: NoMemory, tmp_path: Path):
    with each_worker(no_memory.take, 1):
        succeed(grade(tmp_path))
    assert no_memory.kills == 1
    assert [row["reason"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["right"]


@named("every worker killed by the kernel for want of memory: not graded, and nothing written")
def test_every_worker(no_memory: NoMemory, tmp_path: Path, remark):
    with each_worker(no_memory.take, TRIES):
        line = refusal(grade(tmp_path))
    assert no_memory.kills == TRIES and "SIGKILL" in line, line
    assert not (tmp_path / "out.jsonl").exists()
    remark(line.replace(str(tmp_path), "…"))
