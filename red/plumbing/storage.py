"""What commands read and write: products that replace nothing foreign, JSON, and rows with their checks."""

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from red.errors import DataError
from red.plumbing import checksums
from red.plumbing.partials import fsync_directory, is_partial, naming, open_regular, overwrite, partial_of, replacing

LONGEST_LINE = 64 << 20
"""Bytes; a longer line is not a row but a damaged file, and reading on could take all memory."""
_CHECK = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\s*$')
_TAIL = 64  # bytes of a line's end in which its check stands
LARGEST_DOCUMENT = 256 << 20
"""Bytes of a file that is read as a whole: three times what a tokenizer of 256,000 words needs."""


def product(path: Path) -> AbstractContextManager[BinaryIO]:
    """A stream that becomes the file `path` once all is written; DataError if it would replace what is not ours.

    Inside of a folder that is being written all is ours, and listed in the end.
    """
    path = Path(os.path.abspath(path))
    if any(map(is_partial, path.parts[:-1])):
        return replacing(path)
    checksums.refuse_foreign(path)
    return replacing(path, _publish)


def _publish(partial: Path, path: Path) -> None:
    with checksums.listing(path, checksums.file_hash(partial)):
        os.replace(partial, path)


def write_atomic(path: Path, content: bytes | str) -> None:
    """One product: readers see the old file or the new one, never a part."""
    with product(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def discard(path: Path) -> None:
    """Take away a product that is out of date; DataError if it is not ours."""
    checksums.refuse_foreign(path)
    path.unlink(missing_ok=True)


def write_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder under a temporary name, list its files with their hashes, then rename it to `path`.

    DataError if something is there that is not ours; what is ours makes room first and is deleted last.
    """
    checksums.refuse_foreign_folder(path)
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, before = partial_of(path), partial_of(path)
    partial.mkdir()
    try:
        fill(partial)
        checksums.list_all(partial)
        for file in partial.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        checksums.refuse_foreign_folder(path)  # again: filling it may have taken hours
        if path.exists():
            path.rename(before)
        partial.rename(path)
    finally:
        if before.exists() and not path.exists():
            before.rename(path)
        for folder in (partial, before):
            shutil.rmtree(folder, ignore_errors=True)
    fsync_directory(path.parent)


def write_guarded(path: Path, payload: bytes) -> None:
    """A file of the program's own folders that begins with the SHA-256 of the rest."""
    overwrite(path, hashlib.sha256(payload).digest() + payload)


def read_guarded(path: Path) -> bytes | None:
    """What `write_guarded` wrote; None if that is damaged."""
    content = path.read_bytes()
    whole = len(content) > 32 and hashlib.sha256(content[32:]).digest() == content[:32]
    return content[32:] if whole else None


@contextmanager
def only_here(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `path`; while another process has it, say so once and wait.

    The lock ends with the process, however it ends: an orphan of a killed workflow finishes its job,
    and the job that takes its place finds the work done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not through a link: the file it leads to is not ours.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "a", encoding="utf-8") as stream:
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


def dump_json(value: Any) -> str:
    """Sorted keys and no spaces: equal values give equal bytes. NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def checked_line(row: Mapping[str, Any]) -> bytes:
    """A line of a file that grows, with a check of its own as the last key: `parse_row` notices one changed byte."""
    text = dump_json(row).encode()[:-1]
    return text + b',"crc32":"%08x"}\n' % zlib.crc32(text)


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


def read_bytes(path: Path) -> bytes:
    """All of a regular file of at most LARGEST_DOCUMENT bytes, as the program wrote it; DataError names it."""
    with open_regular(path) as stream, naming(path):
        if os.fstat(stream.fileno()).st_size > LARGEST_DOCUMENT:
            raise DataError(f"{path}: larger than {LARGEST_DOCUMENT >> 20} MiB")
        content = stream.read()
    checksums.check(path, hashlib.sha256(content).hexdigest())
    return content


def read_text(path: Path) -> str:
    """The same as text, with line ends of one kind; DataError where it is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n")
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


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """All rows as JSON lines, atomically, streaming."""
    with product(path) as stream:
        for row in rows:
            stream.write(dump_json(row).encode() + b"\n")


def read_jsonl(path: Path, required: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Rows one by one. A bad row is a DataError that names file and line number (from 1).

    Accepts a byte-order mark, CRLF line ends and blank lines.
    """
    for _, row in numbered_jsonl(path, required):
        yield row


def numbered_jsonl(
    path: Path, required: Iterable[str] = (), surrogates: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same with line numbers. That the file is the one that was written shows at its end."""
    required, digest = tuple(required), hashlib.sha256()
    for number, raw in numbered_lines(path):
        digest.update(raw)
        if raw.strip():
            yield number, parse_row(raw, f"{path}: line {number}", required, surrogates)
    checksums.check(path, digest.hexdigest())


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines as they are, from 1."""
    with open_regular(path) as stream:
        for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), start=1):
            if len(raw) == LONGEST_LINE:
                raise DataError(f"{path}: line {number}: longer than {LONGEST_LINE >> 20} MiB")
            yield number, raw


def is_checked(raw: bytes) -> bool:
    """Whether a line is one of `checked_line` to its end; that its check fits is seen by `parse_row`."""
    return raw.endswith(b"\n") and _check(raw) is not None


def _check(raw: bytes) -> re.Match[bytes] | None:
    return _CHECK.search(raw, max(0, len(raw) - _TAIL))


def parse_row(raw: bytes, where: str, required: Iterable[str] = (), surrogates: bool = False) -> dict[str, Any]:
    """The object of one line, without the check that `checked_line` put there; DataError begins with `where`."""
    if match := _check(raw):
        content = raw[: match.start()]
        if zlib.crc32(content) != int(match[1], 16):
            raise DataError(f"{where}: changed since the program wrote it")
        raw = content + b"}"
    row = parse_json(raw, where, surrogates)
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object")
    for key in required:
        if key not in row:
            raise DataError(f"{where}: missing key {key!r}")
    return row
