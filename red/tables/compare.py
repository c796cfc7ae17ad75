"""Two runs on the same problems: a paired test, the ends of their curves, and the answers that flipped.

`evaluated` reads the collected tables; `compare` and `markdown` are pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from red import escape
from red.errors import DataError
from red.plumbing.records import closest
from red.statistics.intervals import adjust, paired_difference
from red.tables.complete import opened
from red.tables.source import among, problem_means, read

SEED = 20_250_501
CURVES = ("accuracy/rollout", "length/rollout", "entropy/rollout", "entropy/demonstration", "red/w", "loss/total")
FLIPPED = 0.5  # of a problem's mean accuracy


@dataclass(frozen=True)
class PairedTest:
    """First minus second on one benchmark, or on the unweighted mean of a group of them; shares."""

    benchmark: str
    problems: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float | None


@dataclass(frozen=True)
class Curve:
    """A metric of training: means over seeds of the first and last tenth of the steps, None if not logged."""

    metric: str
    first: tuple[float, float] | None
    second: tuple[float, float] | None


@dataclass(frozen=True)
class Flip:
    """A problem on which the runs disagree by half or more; accuracies are means over seeds and samples."""

    benchmark: str
    problem: str
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """Everything that `red compare` says."""

    names: tuple[str, str]
    seeds: tuple[int, int]
    tests: tuple[PairedTest, ...]
    curves: tuple[Curve, ...]
    flips: tuple[Flip, ...]

    def document(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


def evaluated(results: Path, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy per (run, seed, benchmark, group, problem), and training metrics, of two runs.

    DataError names a run that has no answers, and those that have.
    """
    folder = results / "collected"
    _, _, scores, metrics = opened(folder)
    known = sorted(set(read(scores, ["run"])["run"].unique().to_pylist()))
    for name in names:
        if name not in known:
            hint = closest(name, known) or f"; those that have: {', '.join(known) or 'none'}"
            raise DataError(f"run {name!r} has no answers in {folder}{hint}")
    rows, keys = among("run", names), ["run", "seed", "benchmark", "group", "problem"]
    dynamics = read(metrics, ["run", "step", "metric", "value"], rows)
    accuracies = problem_means(scores, keys, rows).select([*keys, "accuracy"]).to_pandas()
    return accuracies.sort_values(keys, ignore_index=True), dynamics.to_pandas()


def compare(names: tuple[str, str], scores: pd.DataFrame, dynamics: pd.DataFrame) -> Comparison:
    """Tests, curves and flips, on the problems that both answered; Holm adjusts over the benchmarks."""
    wide = scores.pivot(index=["group", "benchmark", "problem"], columns=["run", "seed"], values="accuracy")
    first, second = ([c for c in wide.columns if c[0] == name] for name in names)
    wide = wide[[*dict.fromkeys([*first, *second])]].dropna()
    if wide.empty:
        raise DataError(f"{names[0]} and {names[1]} have no problem in common")
    strata = {
        key: (part[first].to_numpy().T, part[second].to_numpy().T)
        for key, part in wide.groupby(level=["group", "benchmark"], sort=False)
    }
    tests = [_test(benchmark, [pair]) for (_, benchmark), pair in strata.items()]
    adjusted = adjust([test.p for test in tests])
    tests = [replace(test, p_adjusted=float(p)) for test, p in zip(tests, adjusted, strict=True)]
    groups = dict.fromkeys(group for group, _ in strata)
    members = {group: [pair for (own, _), pair in strata.items() if own == group] for group in groups}
    overall = [_test(f"mean of {group}", pairs) for group, pairs in members.items()]
    means = [wide[columns].mean(axis=1) for columns in (first, second)]
    flips = [
        Flip(benchmark, problem, float(a), float(b))
        for (_, benchmark, problem), a, b in zip(wide.index, *means, strict=True)
        if abs(a - b) >= FLIPPED
    ]
    flips.sort(key=lambda flip: (-abs(flip.first - flip.second), flip.benchmark, flip.problem))
    seeds = (len(first), len(second))
    return Comparison(names, seeds, (*overall, *tests), curves(names, dynamics), tuple(flips))


def _test(title: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> PairedTest:
    """`pairs`: for each benchmark the accuracies of both runs, [seeds, problems]."""
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    change = paired_difference(first, second, np.random.default_rng(SEED))
    mean, other = (float(np.mean([part.mean() for part in side])) for side in (first, second))
    problems = sum(part.shape[1] for part in first)
    return PairedTest(title, problems, mean, other, change.mean, change.low, change.high, change.p, None)


def curves(names: tuple[str, str], dynamics: pd.DataFrame) -> tuple[Curve, ...]:
    """Begin and end of every metric of CURVES that at least one of the runs logged."""
    ends = {
        metric: [_ends(dynamics[(dynamics["run"] == name) & (dynamics["metric"] == metric)]) for name in names]
        for metric in CURVES
    }
    return tuple(Curve(metric, *pair) for metric, pair in ends.items() if any(pair))


def markdown(comparison: Comparison, examples: int, texts: Mapping[tuple[str, str], str]) -> str:
    """Three tables; `texts` gives the question of (benchmark, problem)."""
    one, two = map(escape.markdown, comparison.names)
    about = "Accuracy in percent, difference in points, 95 % intervals and p by the paired bootstrap"
    lines = [f"# {one} against {two}", ""]
    lines += [f"Seeds: {comparison.seeds[0]} and {comparison.seeds[1]}. {about}; Holm over the benchmarks.", ""]
    lines += [_row(["benchmark", "problems", *comparison.names, "difference", "p", "Holm"]), "|---|" + ":-:|" * 6]
    lines += [_row(paired_cells(test)) for test in comparison.tests]
    if comparison.curves:
        lines += ["", _row(["training metric", *comparison.names]), "|---|:-:|:-:|"]
        lines += [_row(curve_cells(curve)) for curve in comparison.curves]
    total, *flips = map(escape.markdown, flip_lines(comparison, examples, texts))
    lines += ["", total, *(f"- {flip}" for flip in flips)]
    return "\n".join(lines) + "\n"


def flip_lines(comparison: Comparison, examples: int, texts: Mapping[tuple[str, str], str]) -> list[str]:
    """How many problems flipped, then the first `examples` of them with their questions."""
    (one, two), flips = comparison.names, comparison.flips
    better = sum(flip.first > flip.second for flip in flips)
    lines = [f"{len(flips)} problems flipped: {better} for {one}, {len(flips) - better} for {two}."]
    for flip in flips[:examples]:
        text = " ".join(texts.get((flip.benchmark, flip.problem), "").split())[:200]
        shares = f"{100 * flip.first:.0f} against {100 * flip.second:.0f}"
        lines.append(f"{flip.benchmark} {flip.problem}: {shares}. {text}")
    return lines


def paired_cells(test: PairedTest) -> list[str]:
    """A line of the first table."""
    interval = f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
    adjusted = "" if test.p_adjusted is None else _p(test.p_adjusted)
    means = (f"{100 * test.first:.1f}", f"{100 * test.second:.1f}")
    return [test.benchmark, str(test.problems), *means, interval, _p(test.p), adjusted]


def _p(value: float) -> str:
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def curve_cells(curve: Curve) -> list[str]:
    """A line of the second table: begin → end of each run."""
    ends = (curve.first, curve.second)
    return [curve.metric, *(f"{e[0]:z.3g} → {e[1]:z.3g}" if e else "not logged" for e in ends)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape.markdown, cells)) + " |"


def _ends(rows: pd.DataFrame) -> tuple[float, float] | None:
    if rows.empty:
        return None
    length = max(1, (rows["step"].max() - rows["step"].min() + 1) // 10)
    early = rows[rows["step"] < rows["step"].min() + length]["value"].mean()
    return float(early), float(rows[rows["step"] > rows["step"].max() - length]["value"].mean())
