"""Curves from `metrics.jsonl` alone: of a run of the results, of a folder, of a training that is not finished."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn as sns

from analysis.parts.style import LOOKS
from analysis.report.curves import Curve
from red.errors import DataError
from red.escape import visible
from red.plumbing.records import closest
from red.plumbing.storage import numbered_lines, parse_row
from red.ranges import LARGEST as LARGEST_STEP
from red.tables.reader import LARGEST

FILE, STEP = "metrics.jsonl", "train/step"


def of_logs(names: Sequence[str], results: Path) -> list[Curve]:
    """Every metric of every run: each name is a run of `results`, a folder, or a `metrics.jsonl`.

    A folder holds one, or one in each `seed<n>`; of a training under way the one in `state` is read. DataError where
    there is none.
    """
    found = {name: _files(name, results) for name in dict.fromkeys(names)}
    spare = iter(sns.color_palette("colorblind", len(found)).as_hex())
    curves = []
    for name, files in found.items():
        label = visible(_label(name, list(found)))
        color = LOOKS[label].color if label in LOOKS else next(spare)
        for seed, path in files:
            curves += _read(path, name, label, color, seed)
    if not curves:
        raise DataError(f"{', '.join(found)}: no number that can be drawn; name a run that has trained a step")
    return curves


def _files(name: str, results: Path) -> list[tuple[int | None, Path]]:
    """(seed, log) of one name; a run of the results comes before a folder: `red` is one of a checkout."""
    path = Path(name)
    if path.is_file():
        return [(_seed(path.parent), path)]
    folder = results / "runs" / name
    folder = folder if folder.is_dir() else path
    if (own := _log(folder)) is not None:
        return [(_seed(folder), own)]
    seeds = [(_seed(below), _log(below)) for below in sorted(folder.glob("seed*"))]
    found = [(seed, log) for seed, log in seeds if log is not None]
    if not found:
        known = sorted(one.name for one in (results / "runs").glob("*")) if (results / "runs").is_dir() else []
        runs = closest(name, known) or (f"; runs there: {', '.join(known)}" if known else "")
        raise DataError(f"{name}: neither a {FILE}, nor a folder with one, nor a run of {results}{runs}")
    return found


def _log(folder: Path) -> Path | None:
    return next((path for path in (folder / FILE, folder / "state" / FILE) if path.is_file()), None)


def _seed(folder: Path) -> int | None:
    match = re.fullmatch(r"seed(\d+)", folder.name)
    return int(match[1]) if match else None


def _label(name: str, names: Sequence[str]) -> str:
    """The last part of a path that says something, or all of it where two would be alike."""

    def short(text: str) -> str:
        parts = [
            part for part in Path(text).parts if part not in (FILE, "state") and not re.fullmatch(r"seed\d+", part)
        ]
        return parts[-1] if parts else text

    return short(name) if sum(short(other) == short(name) for other in names) == 1 else name


def _read(path: Path, run: str, label: str, color: str, seed: int | None) -> list[Curve]:
    """One curve per metric that is a number in some line, and can be drawn."""
    points: dict[str, dict[int, float]] = {}
    steps: set[int] = set()
    for number, raw in numbered_lines(path):
        if not raw.strip():
            continue
        try:
            row = parse_row(raw, f"{path}: line {number}", [STEP])
        except DataError:
            if raw.endswith(b"\n"):
                raise
            break  # is being written
        step = row.pop(STEP)
        if type(step) is not int or not 0 <= step <= LARGEST_STEP:
            raise DataError(f"{path}: line {number}: {STEP} {str(step)[:40]!r} is no number of a step")
        if step in steps:
            raise DataError(f"{path}: line {number}: step {step} is there twice; take one of the lines out")
        steps.add(step)
        for metric, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST:
                points.setdefault(metric, {})[step] = float(value)
    return [
        Curve(
            run, label, color, seed, metric, np.array(sorted(by_step)), np.array([by_step[s] for s in sorted(by_step)])
        )
        for metric, by_step in points.items()
    ]
