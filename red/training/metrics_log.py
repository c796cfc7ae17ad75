"""metrics.jsonl while it grows: one line per step, never ahead of the state that a run continues from."""

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from red.errors import DataError
from red.plumbing.partials import overwrite
from red.plumbing.storage import checked_line, is_checked, numbered_lines, parse_row


def append(path: Path, metrics: Mapping[str, float]) -> None:
    """One line; a value that is not finite has no place in JSON and is left out."""
    finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
    with path.open("ab") as stream:
        stream.write(checked_line(finite))


def whole_lines(path: Path) -> int:
    """How many steps from the first one have their line, whole and as it was written."""
    count = 0
    try:
        for number, raw in numbered_lines(path) if path.exists() else ():
            row = parse_row(raw, f"{path}: line {number}", ("train/step",))
            if not is_checked(raw) or row["train/step"] != count:
                break
            count += 1
    except DataError:
        pass
    return count


def truncate(path: Path, step: int) -> None:
    """Drop lines of steps that the loaded state has not seen; they will be made again."""
    seen = [raw for _, raw in islice(numbered_lines(path), step)] if step else []
    overwrite(path, b"".join(seen))
