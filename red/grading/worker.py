"""A worker process that compares answers: `python -m red.grading.worker CHANNEL`.

CHANNEL is an inherited file descriptor. Requests and replies are JSON messages, one at a time:
`[gold, prediction, boxed]` -> `reason`. The first message out is `ready`, or `broken: why`.
The process is confined: memory and processor time are limited, and it may neither write files,
start programs nor reach the network.
"""

import importlib
import json
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection

from red.grading import verdict

MEMORY = 3 << 30
"""Bytes of address space."""

SECONDS = 5.0
"""Processor time of one comparison; it does not depend on how busy the machine is."""

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen",
              "socket.", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link",
              "os.truncate", "os.chmod", "os.kill", "shutil.", "ftplib.", "urllib.")  # fmt: skip


class Overtime(BaseException):
    """Raised by the timer. Not an Exception, so that no handler inside sympy swallows it."""


def main() -> None:
    """Serve requests until the parent closes the channel."""
    channel = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    try:
        symbolic = importlib.import_module("red.grading.symbolic")
    except ImportError as error:
        channel.send_bytes(f"broken: {error}".encode())
        return
    confine()
    channel.send_bytes(b"ready")
    while True:
        try:
            gold, prediction, boxed = json.loads(channel.recv_bytes())
        except EOFError:
            return
        compare = symbolic.equivalent if boxed else symbolic.found_in
        channel.send_bytes(timed(compare, gold, prediction).encode())


def timed(compare, gold: str, prediction: str) -> str:
    """The reason that `compare` gives, or timeout or crash."""
    limit_processor_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            return compare(gold, prediction)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except Overtime:
        return verdict.TIMEOUT
    except Exception:  # whatever a hostile answer provokes in a parser is a result
        return verdict.CRASH


def confine() -> None:
    """Limit memory and forbid side effects from here on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _overtime)
    sys.addaudithook(refuse_side_effects)


def limit_processor_time() -> None:
    """The kernel ends the process if one comparison outlives both its timer and its parent."""
    soft = int(time.process_time() + 4 * SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def refuse_side_effects(event: str, arguments: tuple) -> None:
    """Audit hook: no writing, no programs, no network."""
    if event.startswith(_FORBIDDEN) or (event == "open" and _writes(arguments)):
        raise PermissionError(f"a grading worker may not {event}")


def _writes(arguments: tuple) -> bool:
    mode = arguments[1]
    return isinstance(mode, str) and any(letter in mode for letter in "wax+")


def _overtime(signum: int, frame: object) -> None:
    raise Overtime


if __name__ == "__main__":
    main()
