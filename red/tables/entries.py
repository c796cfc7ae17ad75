"""The lists beside the tables, runs.json and benchmarks.json, and the one that `red collect` is given: checked."""

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from red.errors import DataError
from red.plumbing.records import converted
from red.tables.source import AGAIN


def checked(entries: Any, keys: Mapping[str, Any], where: str) -> Sequence[Mapping[str, Any]]:
    """`entries` if each is an object whose `keys` have their types; those that may be None may be missing.

    DataError names the entry and the key. Other keys are left alone.
    """
    if not isinstance(entries, (list, tuple)):
        raise DataError(f"{where}: expected a list; {AGAIN}")
    for index, entry in enumerate(entries):
        for key, hint in keys.items():
            if not isinstance(entry, Mapping) or (key not in entry and type(None) not in typing.get_args(hint)):
                raise DataError(f"{where}: entry {index}: missing key {key!r}; {AGAIN}")
            if key in entry:
                converted(hint, entry[key], f"{where}: entry {index}: {key}")
    return entries
