"""Files: atomic writes, JSON lines, and content hashes. Nothing half-written ever looks finished."""

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from red.errors import DataError

LONGEST_LINE = 64 << 20
"""Bytes; a longer line is not a row but a damaged file, and reading on could take all memory."""
LARGEST_DOCUMENT = 256 << 20
"""Bytes of a file that is read as a whole: three times what a tokenizer of 256,000 words needs."""


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


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write, fsync, rename: readers see the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    data = content.encode() if isinstance(content, str) else content
    try:
        with naming(path), partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    fsync_directory(path.parent)


def write_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder under a temporary name, then rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        fill(partial)
        for file in partial.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        if path.exists():
            shutil.rmtree(path)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    fsync_directory(path.parent)


@contextmanager
def only_here(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `path`; while another process has it, say so once and wait.

    The lock ends with the process, however it ends: an orphan of a killed workflow finishes its job,
    and the job that takes its place finds the work done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.parent}: another process is {doing} here; waiting for it to end", file=sys.stderr, flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):  # no locks on this file system
                raise
        yield


def link_or_copy(source: str, target: str) -> None:
    """A second name of a finished file where the file system has hard links, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def remove_partials(directory: Path) -> None:
    """Delete what killed writers left in `directory`. Only its sole writer may call this."""
    for path in directory.glob(".*.partial"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def dump_json(value: Any) -> str:
    """Sorted keys and no spaces: equal values give equal bytes. NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def readable_json(value: Any) -> str:
    """One JSON document for people and machines. NaN and infinity, which JSON does not have, become null."""
    return json.dumps(_of_json(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _of_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _of_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_of_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Any) -> None:
    """One readable JSON document, atomically."""
    write_atomic(path, readable_json(value))


def parse_json(content: bytes, where: str, surrogates: bool = False) -> Any:
    """Strict JSON in UTF-8, byte-order mark allowed; DataError begins with `where`.

    Refused beside broken syntax: NUL bytes, NaN and infinity, numbers of thousands of digits, endless
    nesting, and, unless `surrogates`, halves of surrogate pairs (they cannot be written again).
    """
    if b"\0" in content:
        raise DataError(f"{where}: contains a NUL byte; restore the file")
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in content and not surrogates:
            dump_json(value).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DataError(f"{where}: not UTF-8 ({error.reason})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({error})") from None
    return value


def argument(text: str, name: str = "--spec") -> dict[str, Any]:
    """A JSON object given on the command line, or as `@FILE` in a file: Linux takes 131,072 bytes per argument."""
    if text.startswith("@"):
        return read_object(Path(text[1:]))
    return as_object(parse_json(text.encode("utf-8", "surrogateescape"), name), name)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is beyond the largest number")
    return value


def open_regular(path: Path) -> BinaryIO:
    """A file to read; DataError for what is none, or would block or never end: a folder, a pipe, a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(f"{path}: {_reason(error)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path) -> bytes:
    """All of a regular file of at most LARGEST_DOCUMENT bytes; DataError names it."""
    with open_regular(path) as stream, naming(path):
        if os.fstat(stream.fileno()).st_size > LARGEST_DOCUMENT:
            raise DataError(f"{path}: larger than {LARGEST_DOCUMENT >> 20} MiB")
        return stream.read()


def read_text(path: Path) -> str:
    """The same as text; DataError where it is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason})") from None


def read_json(path: Path) -> Any:
    """Parse one JSON document; DataError names the file."""
    return parse_json(read_bytes(path), str(path))


def read_object(path: Path) -> dict[str, Any]:
    """Parse one JSON document that must be an object."""
    return as_object(read_json(path), str(path))


def as_object(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is a JSON object; DataError otherwise."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object")
    return value


def _reason(error: OSError) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """All rows as JSON lines, atomically, streaming."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(path), partial.open("w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(dump_json(row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    fsync_directory(path.parent)


def read_jsonl(path: Path, required: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Rows one by one. A bad row is a DataError that names file and line number (from 1).

    Accepts a byte-order mark, CRLF line ends and blank lines.
    """
    for _, row in numbered_jsonl(path, required):
        yield row


def numbered_jsonl(
    path: Path, required: Iterable[str] = (), surrogates: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same with line numbers."""
    required = tuple(required)
    with open_regular(path) as stream:
        for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), start=1):
            where = f"{path}: line {number}"
            if len(raw) == LONGEST_LINE:
                raise DataError(f"{where}: longer than {LONGEST_LINE >> 20} MiB")
            if not raw.strip():
                continue
            row = parse_json(raw, where, surrogates)
            if not isinstance(row, dict):
                raise DataError(f"{where}: expected an object")
            for key in required:
                if key not in row:
                    raise DataError(f"{where}: missing key {key!r}")
            yield number, row


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def folder_hash(path: Path) -> str:
    """SHA-256 of a folder's manifest: relative names and content hashes, sorted."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()} {file_hash(file)}\n".encode())
    return digest.hexdigest()
