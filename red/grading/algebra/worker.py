"""A worker process that compares answers: `python -m red.grading.algebra.worker CHANNEL`.

Requests and replies are JSON messages, one at a time: `[gold, prediction, boxed]` -> `reason`, or EXHAUSTED or
DEPRIVED. The first message out is `ready`, or `broken: why`. The process is confined (red.confinement).
"""

import gc
import json
import mmap
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from red import confinement
from red.grading import verdict

MEMORY = 3 << 30
"""Bytes of address space."""

SLACK = 64 << 20
"""Bytes of it within which memory counts as used up."""

SECONDS = 5.0
"""Processor time of one comparison; it does not depend on how busy the machine is."""

EXHAUSTED = "all of MEMORY was not enough"
DEPRIVED = "the machine had too little memory"


class Overtime(BaseException):
    """Raised by the timer. Not an Exception, so that no handler inside sympy swallows it."""


def main() -> None:
    """Serve requests until the parent closes the channel."""
    channel = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    try:
        from red.grading.algebra import equivalence
    except ImportError as error:
        channel.send_bytes(f"broken: {error}".encode())
        return
    # sympy makes many small objects that die young: collect them less often
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    confine()
    channel.send_bytes(b"ready")
    while True:
        try:
            gold, prediction, boxed = json.loads(channel.recv_bytes())
        except EOFError:
            return
        compare = equivalence.equivalent if boxed else equivalence.equivalent_in_text
        channel.send_bytes(timed(compare, gold, prediction).encode())


def timed(compare: Callable[[str, str], str], gold: str, prediction: str) -> str:
    """The reason that `compare` gives, or timeout or crash, or which memory was used up."""
    # The kernel ends a process that outlives both its timer and its parent.
    confinement.limit(resource.RLIMIT_CPU, int(time.process_time() + 4 * SECONDS))
    reason = ""
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            reason = compare(gold, prediction)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except Overtime:
        return verdict.TIMEOUT
    except MemoryError:
        pass  # out of here first: the exception holds on to what was allocated
    except Exception:  # whatever a hostile answer provokes in a parser is a result
        reason = verdict.CRASH
    # Parsers swallow a MemoryError like any other, and then find no answer.
    if reason and peak() < resource.getrlimit(resource.RLIMIT_AS)[0] - SLACK:
        return reason
    return EXHAUSTED if could_have(MEMORY - SLACK) else DEPRIVED


def peak() -> int:
    """The most bytes of address space that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    return int(status.partition("VmPeak:")[2].split()[0]) << 10


def could_have(size: int) -> bool:
    """Whether this process could have had so many bytes of address space in all."""
    gc.collect()
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
    try:
        mmap.mmap(-1, max(size - held, mmap.PAGESIZE)).close()
    except OSError:
        return False
    return True


def confine() -> None:
    """Limit memory, forbid side effects, and make the timer raise Overtime, from here on."""
    signal.signal(signal.SIGPROF, _overtime)
    confinement.confine(MEMORY)


def _overtime(signum: int, frame: object) -> None:
    """A signal that comes while the timer still runs is somebody else's."""
    if not signal.getitimer(signal.ITIMER_PROF)[0]:
        raise Overtime


if __name__ == "__main__":
    main()
