"""Finished answers on disk while a benchmark is being generated: a log that survives `kill -9`."""

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.plumbing.storage import dump_json, numbered_jsonl

FIELDS = ("id", "index", "response", "tokens", "finish_reason", "seed", "prompt_hash")
Key = tuple[str, int]  # id of the problem, index of the sample


class AnswerLog:
    """One line per finished answer, in the order of finishing. A line that was torn is dropped on opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: dict[Key, dict[str, Any]] = {}
        if path.exists():
            _own(path)
            _drop_torn_line(path)
            self._read()
        self._stream = path.open("ab", buffering=0)

    def _read(self) -> None:
        for number, row in numbered_jsonl(self.path, FIELDS):
            if not (isinstance(row["id"], str) and isinstance(row["index"], int)):
                raise DataError(f"{self.path}: line {number} is damaged; delete the file")
            self.rows[row["id"], row["index"]] = row

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one answer with a single write, so that it is there whole or not at all."""
        line = dump_json(row).encode() + b"\n"
        if self._stream.write(line) != len(line):  # the disk filled up within the line
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.rows[row["id"], row["index"]] = dict(row)

    def discard(self, key: Key) -> None:
        """Forget an answer (its prompt or seed has changed); the next line with its key replaces it."""
        del self.rows[key]

    def close(self) -> None:
        """Force the lines to disk."""
        if not self._stream.closed:
            os.fsync(self._stream.fileno())
            self._stream.close()


def share_storage(finished: Path, log: Path) -> None:
    """Let the log be a second name of the finished file, where the file system has hard links."""
    second = log.with_name(f".{log.name}.{os.getpid()}.partial")
    try:
        os.link(finished, second)
    except OSError:
        return
    os.replace(second, log)


def _own(path: Path) -> None:
    """Copy a file that has a second name, so that appending does not change the finished file."""
    if path.stat().st_nlink > 1:
        copy = path.with_name(f".{path.name}.{os.getpid()}.partial")
        shutil.copyfile(path, copy)
        os.replace(copy, path)


def _drop_torn_line(path: Path) -> None:
    with path.open("r+b") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)
