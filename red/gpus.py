"""GPUs of this machine, or of an allocation of Slurm, for one command alone.

Snakemake counts the GPUs of its local jobs, but does not say which: each job would take the first. A claimed GPU is a
locked file that is free again when the process ends, however it ends.
"""

import fcntl
import itertools
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from red.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia")
NONE = ("", "-1", "NoDevFiles")
SECONDS_BETWEEN_TRIES = 1.0


@contextmanager
def claimed(count: int) -> Iterator[None]:
    """So many GPUs for this process and its children until the end of the block; waits while others hold them.

    Which ones stands in CUDA_VISIBLE_DEVICES, so it comes before torch. Without a GPU nothing is claimed: the command
    itself says what it lacks. ConfigError if there are fewer.
    """
    names = _names() if count else []
    if not names:
        yield
        return
    if len(names) < count:
        raise ConfigError(f"--gpus {count}: this machine shows {len(names)}; give fewer, or run where they are")
    before = os.environ.get(VISIBLE)
    with ExitStack() as held:
        os.environ[VISIBLE] = ",".join(_claim(names, count, held))
        try:
            yield
        finally:
            os.environ.pop(VISIBLE, None)
            if before is not None:
                os.environ[VISIBLE] = before


def _names() -> list[str]:
    """Of the GPUs that this process may see, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        # CUDA reads up to the first that is none; one that is there twice is one all the same.
        seen = list(itertools.takewhile(lambda name: name not in NONE, names))
        return list(dict.fromkeys(seen))
    if not DRIVER.exists():
        return []
    query = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


def _claim(names: Sequence[str], count: int, held: ExitStack) -> list[str]:
    """The first `count` that nobody else holds, all at once: who keeps some while it waits could wait for ever."""
    # Slurm may number the GPUs of each of its jobs from 0: other jobs' claims are of other GPUs.
    place, is_told = str(_folder() / os.environ.get("SLURM_JOB_ID", "machine")), False
    while True:
        with ExitStack() as tried:
            own: list[str] = []
            for name in names:
                if len(own) < count and _is_mine(f"{place}.{name.replace('/', '_')}", tried):
                    own.append(name)
            if len(own) == count:
                held.push(tried.pop_all())
                return own
        if not is_told:
            print(f"waiting for {count} of {len(names)} GPUs", file=sys.stderr, flush=True)
            is_told = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def _is_mine(path: str, held: ExitStack) -> bool:
    """Whether the file could be locked; then it is until `held` ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True


def _folder() -> Path:
    """Of this user alone; all of their studies on this machine meet there."""
    folder = Path(tempfile.gettempdir()) / f"red-gpus-{os.getuid()}"
    with suppress(FileExistsError):  # also where it is no folder
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(f"{folder}: not a folder of yours; set TMPDIR to another place")
    return folder
