"""An engine without progress ends: a hung one would hold its GPUs until the job's time is up. Standard library."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLLS = 60  # within the time that is waited


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in a thread beside the block, whose end sets the event that it gets and waits for it."""
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def watched(progress: Path, minutes: float) -> Iterator[None]:
    """End this process and all that descend from it once `progress` has not grown for `minutes`.

    Starting counts as progress. The exit status is EX_TEMPFAIL, so that the workflow tries again, from the last state.
    A thread, because the driver waits inside of Ray; not the process group, because that is the workflow's too.
    """

    def watch(ended: threading.Event) -> None:
        size, since = _size(progress), time.monotonic()
        while not ended.wait(60 * minutes / POLLS):
            if (now := _size(progress)) != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > 60 * minutes:
                _end(f"red train: no step within {minutes:g} minutes (cluster.stall_minutes): the engine hangs")

    with beside(watch):
        yield


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and those that they started, in whichever session."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            parent = int(status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        children.setdefault(parent, []).append(int(status.parent.name))
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


def _end(reason: str) -> None:
    print(reason, file=sys.stderr, flush=True)
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os._exit(os.EX_TEMPFAIL)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
