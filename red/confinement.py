"""Processes that run somebody else's programs: an answer's algebra, a model's chat template.

One is a program of this project, `python -m MODULE CHANNEL`, that serves requests over the inherited file descriptor
CHANNEL. It can be killed at any moment; memory and processor time are limited, and it may neither write files, start
programs nor reach the network.
"""

import os
import resource
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

LOOK = 7.5
"""Seconds between looks at a process that has not answered."""

STILL = 8
"""Looks in a row between which it got no processor time at all, before it is given up."""

_ROOT = Path(__file__).resolve().parents[1]
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.kill",
    "shutil.",
    "ftplib.",
    "urllib.",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def start(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """Such a process, and our end of its channel. No fork, so that it may be started beside CUDA, threads or Ray."""
    ours, theirs = Pipe()
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        )
    return process, ours


class Watch:
    """The processor time of a process from now on, looked at every LOOK seconds; `still` looks in a row found none."""

    def __init__(self, pid: int) -> None:
        self._pid, self.still = pid, 0
        self._before = self._seen = processor_seconds(pid)

    def is_still(self) -> bool:
        """One look: whether the process got no processor time at all for too long, as if it were suspended."""
        now = processor_seconds(self._pid)
        self.still = self.still + 1 if now == self._seen else 0
        self._seen = now
        return self.still >= STILL

    @property
    def spent(self) -> float:
        """Seconds that it used since the watch began."""
        return processor_seconds(self._pid) - self._before


def reply(process: subprocess.Popen[bytes], channel: Connection) -> bytes:
    """What a process answers, however long it takes; EOFError once it has ended, or is suspended and was ended here."""
    watch = Watch(process.pid)
    while not channel.poll(LOOK):
        if watch.is_still():
            process.kill()
            raise EOFError
    return channel.recv_bytes()


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def confine(memory: int) -> None:
    """Limit this process to so many bytes of address space, and forbid side effects from here on."""
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_CORE, 0)
    sys.dont_write_bytecode = True
    sys.addaudithook(_refuse_side_effects)


def limit(kind: int, value: int) -> None:
    """Set a soft limit, as far as the hard one allows."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _refuse_side_effects(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: no writing, no programs, no network."""
    if event.startswith(_FORBIDDEN) or (event == "open" and _WRITING & arguments[2]):
        raise PermissionError(f"a confined process may not {event}")
