"""Files: regular ones are opened, new ones have temporary names until they are whole. Nothing half-written ever looks
finished."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from red.errors import DataError

# Long enough that no other program's temporary file looks like ours.
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{16}\.partial", re.DOTALL)


def open_regular(path: Path) -> BufferedReader:
    """A file to read; DataError for what is none, or would block or never end: a folder, a pipe, a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # a NUL byte in the name
        raise DataError(f"{path}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def partial_of(path: Path) -> Path:
    """A name beside `path` that nobody foresees, so that nobody can put a link in its place."""
    return path.with_name(f".{path.name}.{token_hex(8)}.partial")


def is_partial(name: str) -> bool:
    """Whether it is a name that `partial_of` gives."""
    return _PARTIAL.fullmatch(name) is not None


def remove_partials(directory: Path) -> None:
    """Delete what killed writers left in `directory`. Only its sole writer may call this."""
    for path in directory.glob(".*.partial"):
        if is_partial(path.name):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def fsync_directory(directory: Path) -> None:
    """Make a rename inside `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the operating system name `path`: those of a write or a sync name nothing."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def replacing(path: Path, publish: Callable[[Path, Path], object] = os.replace) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `path` once all is written and on disk: readers see the old file or
    the new one, never a part. `publish` gives the whole file, its first argument, the name that is its second.

    For the program's own folders. What a command makes goes through `red.plumbing.storage`, which looks first at
    what it would replace.
    """
    partial = partial_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = partial.open("xb")
    except OSError as error:
        error.filename = str(path)
        raise
    except ValueError as error:  # a NUL byte in the name
        raise DataError(f"{path}: {error}") from None
    try:
        with naming(path), stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    fsync_directory(path.parent)


def overwrite(path: Path, content: bytes) -> None:
    """Put `content` in the place of a file of the program's own folders."""
    with replacing(path) as stream:
        stream.write(content)
