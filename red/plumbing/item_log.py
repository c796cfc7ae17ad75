"""Finished items on disk while a job works on the rest: a log that survives `kill -9`."""

import errno
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.errors import DataError, one_line
from red.plumbing.partials import overwrite, replacing
from red.plumbing.storage import checked_line, is_checked, numbered_lines, parse_row

Key = tuple[Any, ...]


class ItemLog:
    """One line per finished item, in the order of finishing. Lines that are torn or damaged, wherever they stand, are
    dropped on opening and said: their items are made again.

    `key` names the fields that identify an item: a text, or a text and a number for `index`. Every line has
    these and `fields`.
    """

    def __init__(self, path: Path, key: tuple[str, ...], fields: tuple[str, ...] = ()) -> None:
        self.path, self.key = path, key
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: dict[Key, dict[str, Any]] = {}
        if path.exists():
            _unshare(path)
            self._read((*key, *fields))
        self._stream = path.open("ab", buffering=0)

    def _read(self, fields: tuple[str, ...]) -> None:
        whole, damaged = [], False
        for number, raw in numbered_lines(self.path):
            try:
                row = self._row(raw, f"{self.path}: line {number}", fields)
            except DataError as error:
                damaged = True
                if raw.endswith(b"\n"):  # else a killed writer's, as happens
                    print(f"{one_line(error)}; left out and made again", file=sys.stderr)
                continue
            whole.append(raw)
            self.rows[self._key(row)] = row
        if damaged:
            overwrite(self.path, b"".join(whole))

    def _row(self, raw: bytes, where: str, fields: tuple[str, ...]) -> dict[str, Any]:
        if not is_checked(raw):
            raise DataError(f"{where}: torn, or without its check")
        row = parse_row(raw, where, fields)
        if not all(isinstance(row[name], int if name == "index" else str) for name in self.key):
            raise DataError(f"{where}: {', '.join(self.key)}: of the wrong type")
        return row

    def _key(self, row: Mapping[str, Any]) -> Key:
        return tuple(row[name] for name in self.key)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one item with a single write, so that it is there whole or not at all."""
        line = checked_line(row)
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
        with path.open("rb") as source, replacing(path) as copy:
            shutil.copyfileobj(source, copy)
