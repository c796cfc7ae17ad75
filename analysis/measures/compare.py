"""Compares runs on the same problems: intervals, paired differences, and which rank is supported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.output.item import Mark
from red.statistics.intervals import RESAMPLES, Difference, Interval, adjust, mean_interval, paired_difference
from red.tables.reader import Run, Tables

ALPHA = 0.05
SEED = 20_250_501
SHORT = "_short"  # ends the name of a run that is its original but for fewer steps
FEWER = 2_000  # resamples for bands and secondary columns
PAIRED = (
    "Intervals: 95 % bootstrap over problems and training seeds; comparisons are paired by problem, with "
    "seeds drawn for each run on its own. A run with one seed shows no variation of training."
)


@dataclass(frozen=True)
class Estimate(Interval):
    """A mean with its 95 % interval, the number of training seeds and of units (problems) behind it."""

    seeds: int
    units: int


@dataclass(frozen=True)
class Comparison:
    """Scores of runs on benchmarks: `matrices[run, benchmark]` has a row per seed, a column per problem.

    `incomplete` names seeds that lack problems which other runs answered; they are left out.
    """

    matrices: Mapping[tuple[str, str], pd.DataFrame]
    incomplete: tuple[str, ...]

    def complete(self, run: str, benchmarks: Sequence[str]) -> list[int]:
        """The seeds of a run that have all of the benchmarks."""
        parts = [self.matrices.get((run, name)) for name in benchmarks]
        seeds = [set() if part is None else set(part.index) for part in parts]
        return sorted(set.intersection(*seeds)) if seeds else []

    def strata(self, run: str, benchmarks: Sequence[str], only: Sequence[int] = ()) -> list[np.ndarray]:
        """[seeds, problems] per benchmark for the seeds that are complete on all, or of `only`; [] without any."""
        seeds = list(only) or self.complete(run, benchmarks)
        return [self.matrices[run, name].loc[seeds].to_numpy() for name in benchmarks] if seeds else []

    def mean(self, run: str, benchmarks: Sequence[str]) -> float | None:
        """Unweighted mean over benchmarks; None where one of them is missing."""
        strata = self.strata(run, benchmarks)
        return _mean(strata) if strata else None

    def by_seed(self, run: str, benchmarks: Sequence[str]) -> pd.Series:
        """The same mean for each seed that is complete on all benchmarks; empty where none is."""
        parts = [self.matrices[run, name].mean(axis=1) for name in benchmarks if (run, name) in self.matrices]
        if not parts or len(parts) < len(benchmarks):
            return pd.Series(dtype=float)
        return pd.concat(parts, axis=1, join="inner").mean(axis=1)

    def estimate(self, run: str, benchmarks: Sequence[str], resamples: int = RESAMPLES) -> Estimate | None:
        """The same mean with its interval; NaN limits for 0 resamples."""
        if not (strata := self.strata(run, benchmarks)):
            return None
        units = sum(part.shape[1] for part in strata)
        if resamples == 0:
            return Estimate(_mean(strata), np.nan, np.nan, len(strata[0]), units)
        interval = mean_interval(strata, np.random.default_rng(SEED), resamples)
        return Estimate(interval.mean, interval.low, interval.high, len(strata[0]), units)

    def difference(self, run: str, other: str, benchmarks: Sequence[str]) -> Difference | None:
        """`run` minus `other` by the paired bootstrap; None where either lacks a benchmark.

        Over the seeds that both have, where there is one: each may have a base of its own.
        """
        shared = self.shared(run, other, benchmarks)
        one, two = (self.strata(name, benchmarks, shared) for name in (run, other))
        return paired_difference(one, two, np.random.default_rng(SEED)) if one and two else None

    def shared(self, run: str, other: str, benchmarks: Sequence[str]) -> list[int]:
        """The seeds that both have, complete on all of the benchmarks."""
        return sorted(set(self.complete(run, benchmarks)) & set(self.complete(other, benchmarks)))

    def seeds(self, run: str, benchmarks: Sequence[str]) -> int:
        """Number of training seeds behind a mean."""
        return len(self.complete(run, benchmarks))


def on_shared_seeds(scores: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The scores of the seeds that all runs have, and a note if that leaves some out.

    A seed may have a base of its own, so means over different seeds say little about the runs. Without a shared seed
    all stay.
    """
    seeds = [set(rows) for _, rows in scores.groupby("run")["seed"]]
    shared = set.intersection(*seeds) if seeds else set()
    if not shared or all(own == shared for own in seeds):
        return scores, ()
    named = ", ".join(str(seed) for seed in sorted(shared))
    note = f"Only what all of these runs have, seed {named}: each seed may have a base of its own."
    return scores[scores["seed"].isin(shared)], (note,)


def compare(scores: pd.DataFrame, column: str = "accuracy") -> Comparison:
    """Scores of all runs of a frame from `Tables.scores` by one of its columns."""
    problems = scores.groupby("benchmark")["problem"].nunique().to_dict()
    matrices: dict[tuple[str, str], pd.DataFrame] = {}
    incomplete = []
    for (run, benchmark), rows in scores.groupby(["run", "benchmark"], sort=False):
        wide = rows.pivot(index="seed", columns="problem", values=column)
        answered = wide.notna().sum(axis=1)
        count = problems[benchmark]
        for seed in wide.index[answered < count]:
            lacking = count - answered[seed]
            incomplete.append(f"{lacking} of {count} {benchmark} problems of {run} seed {seed}")
        if (answered == count).any():
            matrices[run, benchmark] = wide[answered == count]
    return Comparison(matrices, tuple(incomplete))


def ranks(
    comparison: Comparison, runs: Sequence[str], benchmarks: Sequence[str], alpha: float = ALPHA
) -> dict[str, Mark]:
    """Marks of the two highest means among `runs`, as in `Cell.mark`.

    `best`: higher than every other run by the paired test, Holm-adjusted over those tests.
    `second`: the same against every run except the highest. Otherwise `highest` and `next`. A place that two runs
    share is nobody's, nor is what comes after it, nor is a mean of 0.
    """
    means = {run: mean for run in runs if (mean := comparison.mean(run, benchmarks)) is not None}
    order = sorted(means, key=lambda run: -means[run])
    if len(order) < 2:
        return {}
    first, second, *rest = order

    def above(run: str, others: Sequence[str]) -> bool:
        p_values = []
        for other in others:  # the nearest first: most ranks fail there, and the other tests are spared
            change = comparison.difference(run, other, benchmarks)
            assert change is not None, f"{run} and {other} both have a mean"
            if change.p >= alpha:
                return False
            p_values.append(change.p)
        return bool(p_values) and float(adjust(p_values).max()) < alpha

    marks: dict[str, Mark] = {}
    if means[first] > means[second]:
        marks[first] = "best" if above(first, [second, *rest]) else "highest"
        if means[second] > (means[rest[0]] if rest else 0):
            marks[second] = "second" if above(second, rest) else "next"
    return marks


def percent(interval: Interval | None, factor: float = 100) -> tuple[float, float, float]:
    """Mean, low and high times a factor; NaN where nothing was measured."""
    if interval is None:
        return np.nan, np.nan, np.nan
    return factor * interval.mean, factor * interval.low, factor * interval.high


def _mean(strata: Sequence[np.ndarray]) -> float:
    return float(np.mean([part.mean() for part in strata]))


def bootstrap_mean(values: np.ndarray, resamples: int = FEWER) -> Estimate:
    """Mean of independent units (examples, problems) with its interval; NaN limits for one unit."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return Estimate(float(values.mean()) if len(values) else np.nan, np.nan, np.nan, 1, len(values))
    interval = mean_interval(values, np.random.default_rng(SEED), resamples)
    return Estimate(interval.mean, interval.low, interval.high, 1, len(values))


def original(tables: Tables, name: str, beside: str) -> str:
    """The run `name`, or `<name>_short` where `beside` made as few steps as that one.

    A difference between runs of unequal length would be one of lengths, too.
    """
    steps = {run.name: run.steps for run in tables.runs}
    short = name + SHORT
    is_short = short in steps and beside in steps and steps[beside] == steps[short] != steps.get(name)
    return short if is_short else name


def full_name(run: Run) -> str:
    """The name of the run of full length: the paper's numbers and colors are kept under it."""
    return run.name.removesuffix(SHORT)
