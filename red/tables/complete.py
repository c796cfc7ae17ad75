"""Whether collected tables hold all of every run that runs.json says is done, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from red.errors import DataError
from red.tables.source import AGAIN, counts, read

DONE = "done"
Entries = Iterable[Mapping[str, Any]]


def check_entries(entries: Sequence[Mapping[str, Any]], keys: Sequence[str], where: str) -> None:
    """DataError if two entries have the same `keys`."""
    seen = set()
    for entry in entries:
        name = tuple(entry[key] for key in keys)
        if name in seen:
            raise DataError(f"{where}: {' '.join(map(str, name))} is there twice; {AGAIN}")
        seen.add(name)


def check_scores(source: ds.Dataset, path: Path, runs: Entries, benchmarks: Entries) -> None:
    """DataError unless each finished run and seed has answers to every benchmark that its study has answers to, and to
    as many problems of each as benchmarks.json lists."""
    study = {(run["run"], run["seed"]): (run.get("study") or {}).get("name") for run in runs if run["status"] == DONE}
    answers = ["run", "seed", "benchmark", "problem"]
    found = counts(read(source, answers).group_by(answers).aggregate([]), answers[:3])
    answered = {(study.get(key[:2]), key[2]) for key in found}
    known = {benchmark["benchmark"]: benchmark.get("problems") for benchmark in benchmarks}
    answered |= {(own, benchmark) for own in study.values() for benchmark, count in known.items() if count}
    due = {(*run, benchmark) for run, own in study.items() for of, benchmark in answered if of == own}
    for run, seed, _ in sorted(found.keys() - due):
        raise DataError(f"{path}: answers of {run} seed {seed}, which runs.json does not list as done; {AGAIN}")
    for run, seed, benchmark in sorted(due - found.keys()):
        raise DataError(f"{path}: run {run!r} seed {seed} has no answers to {benchmark}; {AGAIN}")
    for _, benchmark in sorted(answered, key=lambda one: one[1]):
        if benchmark not in known:
            raise DataError(f"{path}: answers to {benchmark}, which benchmarks.json does not list; {AGAIN}")
    for (run, seed, benchmark), count in sorted(found.items()):
        if known[benchmark] not in (None, count):
            problems = f"{count} of {known[benchmark]} problems of {benchmark}"
            raise DataError(f"{path}: run {run!r} seed {seed} has answers to {problems}; {AGAIN}")


def check_steps(source: ds.Dataset, path: Path, runs: Entries) -> None:
    """DataError unless each finished training has a row of every step."""
    rows = read(source, ["run", "seed", "step"]).group_by(["run", "seed", "step"]).aggregate([])
    steps = counts(rows, ["run", "seed"])
    for run in runs:
        asked, found = run.get("steps"), steps.get((run["run"], run["seed"]), 0)
        if run["status"] == DONE and asked not in (None, found):
            raise DataError(f"{path}: run {run['run']!r} seed {run['seed']} has {found} of {asked} steps; {AGAIN}")
