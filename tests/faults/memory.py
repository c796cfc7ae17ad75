"""A place without memory, in which the kernel ends processes."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CONTROLLER = Path("/sys/fs/cgroup")
# By version of control groups: where one is made, its limit, and the file that counts kills.
VERSIONS = (
    (CONTROLLER / "memory", "memory.limit_in_bytes", "memory.oom_control"),
    (CONTROLLER, "memory.max", "memory.events"),
)
SWAP = ("memory.swappiness", "memory.swap.max")


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
        for name in SWAP:
            if (folder / name).exists():
                (folder / name).write_text("0")  # to disk instead would be no kill
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
