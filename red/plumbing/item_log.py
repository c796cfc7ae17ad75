"""Finished items on disk while a job works on the rest: a log that survives `kill -9`."""

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.plumbing.storage import dump_json, numbered_jsonl

Key = tuple[Any, ...]


class ItemLog:
    """One line per finished item, in the order of finishing. A line that was torn is dropped on opening.

    `key` names the fields that identify an item: a text, or a text and a number for `index`. Every line has
    these and `fields`.
    """

    def __init__(self, path: Path, key: tuple[str, ...], fields: tuple[str, ...] = ()) -> None:
        self.path, self.key = path, key
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: dict[Key, dict[str, Any]] = {}
        if path.exists():
            _unshare(path)
            _drop_torn_line(path)
            self._read((*key, *fields))
        self._stream = path.open("ab", buffering=0)

    def _read(self, fields: tuple[str, ...]) -> None:
        for number, row in numbered_jsonl(self.path, fields):
            if not all(isinstance(row[name], int if name == "index" else str) for name in self.key):
                raise DataError(f"{self.path}: line {number} is damaged; delete the file")
            self.rows[self._key(row)] = row

    def _key(self, row: Mapping[str, Any]) -> Key:
        return tuple(row[name] for name in self.key)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one item with a single write, so that it is there whole or not at all."""
        line = dump_json(row).encode() + b"\n"
        if self._stream.write(line) != len(line):  # the disk filled up within the line
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.rows[self._key(row)] = dict(row)

    def discard(self, key: Key) -> None:
        """Forget an item (what it was made from has changed); the next line with its key replaces it."""
        del self.rows[key]

    def close(self) -> None:
        """Force the lines to disk."""
        if not self._stream.closed:
            os.fsync(self._stream.fileno())
            self._stream.close()


def _unshare(path: Path) -> None:
    """Copy a file that has a second name, so that appending does not change the finished file."""
    if path.stat().st_nlink > 1:
        copy = path.with_name(f".{path.name}.{os.getpid()}.partial")
        shutil.copyfile(path, copy)
        os.replace(copy, path)


def _drop_torn_line(path: Path) -> None:
    with path.open("r+b") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)
