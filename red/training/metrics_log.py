"""metrics.jsonl while it grows: one line per step, never ahead of the state that a run continues from."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from red.plumbing.storage import dump_json, write_atomic


def append(path: Path, metrics: Mapping[str, float]) -> None:
    """One line; a value that is not finite has no place in JSON and is left out."""
    finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(dump_json(finite) + "\n")


def whole_lines(path: Path) -> int:
    """How many lines were written to their end."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def truncate(path: Path, step: int) -> None:
    """Drop lines of steps that the loaded state has not seen; they will be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    seen = [line for line in lines[:step] if line.endswith("}") and json.loads(line)["train/step"] < step]
    write_atomic(path, "".join(line + "\n" for line in seen))
