"""Processes that the kernel ends because no memory is left: a training, a job of the workflow, a grading worker."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from red.grading.algebra.pool import TRIES
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl
from tests.faults.case import named, refusal, succeed
from tests.faults.runs import ENVIRONMENT, MOMENTS, compare, planned, whole
from tests.faults.test_workers import each_worker, grade
from tests.faults.world import World, run_spec

pytestmark = pytest.mark.faults("fate of a process")
CONTROLLER = Path("/sys/fs/cgroup")
# By version of control groups: where one is made, its limit, and the file that counts kills.
VERSIONS = (
    (CONTROLLER / "memory", "memory.limit_in_bytes", "memory.oom_control"),
    (CONTROLLER, "memory.max", "memory.events"),
)


@dataclass(frozen=True)
class NoMemory:
    """A control group whose processes get no more memory than they have: the kernel kills them at the next page."""

    folder: Path
    events: str

    def take(self, process: int) -> None:
        """Put a process there; what it holds stays counted where it was."""
        (self.folder / "cgroup.procs").write_text(str(process))

    @property
    def kills(self) -> int:
        """How many the kernel has ended here."""
        lines = (self.folder / self.events).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@pytest.fixture
def no_memory() -> Iterator[NoMemory]:
    """Needs the right to make control groups."""
    root, limit, events = VERSIONS[not VERSIONS[0][0].is_dir()]
    folder = root / f"red-faults-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no right to make a control group: {error}")
    try:
        if not (folder / limit).exists():
            pytest.skip("control groups here do not limit memory")
        (folder / limit).write_text("65536")
        yield NoMemory(folder, events)
    finally:
        until(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


def until(done: Callable[[], object], seconds: float = 120) -> None:
    """AssertionError where it takes longer."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.01)


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
