"""Whether collected tables hold all of every run that runs.json says is done, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.dataset as ds

from red.errors import DataError
from red.plumbing.storage import read_json
from red.tables.entries import checked
from red.tables.schema import BENCHMARK_KEYS, DYNAMICS, RUN_KEYS
from red.tables.source import AGAIN, check_filled, counts, open_scores, open_table, read

DONE = "done"
Entries = Iterable[Mapping[str, Any]]


class Collected(NamedTuple):
    """What a folder of collected tables holds: the entries of its two lists, and two of its tables."""

    runs: Sequence[Mapping[str, Any]]
    benchmarks: Sequence[Mapping[str, Any]]
    scores: ds.Dataset
    dynamics: ds.Dataset


def opened(folder: Path) -> Collected:
    """The lists and tables of a folder; DataError unless they are whole and belong together."""
    runs, benchmarks = folder / "runs.json", folder / "benchmarks.json"
    scores, dynamics = folder / "scores.parquet", folder / "dynamics.parquet"
    found = Collected(
        checked(read_json(runs), RUN_KEYS, str(runs)),
        checked(read_json(benchmarks), BENCHMARK_KEYS, str(benchmarks)),
        open_scores(scores),
        open_table(dynamics, DYNAMICS),
    )
    check_entries(found.runs, ["run", "seed"], str(runs))
    check_entries(found.benchmarks, ["benchmark"], str(benchmarks))
    check_scores(found.scores, scores, found.runs, found.benchmarks)
    check_steps(found.dynamics, dynamics, found.runs)
    return found


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
    """DataError unless each finished training has a row of every step between its first and its last, each metric at
    most once in a step, and nothing else is there."""
    keys = ["run", "seed", "step", "metric"]
    check_filled(source, path, keys)
    rows = read(source, keys)
    different = rows.group_by(keys).aggregate([])
    for key, count in sorted(counts(rows, keys[:2]).items()) if different.num_rows < rows.num_rows else ():
        if count != counts(different, keys[:2])[key]:
            raise DataError(f"{path}: run {key[0]!r} seed {key[1]} has a metric of one step twice; {AGAIN}")
    ends = different.group_by(keys[:2]).aggregate([("step", "count_distinct"), ("step", "min"), ("step", "max")])
    found = {(row["run"], row["seed"]): row for row in ends.to_pylist()}
    done = {(run["run"], run["seed"]): run.get("steps") for run in runs if run["status"] == DONE}
    for run, seed in sorted(found.keys() - done.keys()):
        raise DataError(f"{path}: steps of {run} seed {seed}, which runs.json does not list as done; {AGAIN}")
    for (run, seed), steps in done.items():
        row = found.get((run, seed), {"step_count_distinct": 0, "step_min": 0, "step_max": -1})
        count = row["step_count_distinct"]
        if steps not in (None, count):
            raise DataError(f"{path}: run {run!r} seed {seed} has {count} of {steps} steps; {AGAIN}")
        if row["step_max"] - row["step_min"] + 1 != count:
            gap = f"{count} steps between {row['step_min']} and {row['step_max']}"
            raise DataError(f"{path}: run {run!r} seed {seed} has {gap}; {AGAIN}")
