"""Evidence for or against a claim: an effect, its interval and p-value, and the verdict they allow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from analysis.measures.compare import ALPHA, SEED, Comparison, compare, percent
from analysis.measures.confidence import demonstrations
from analysis.measures.entropy import entropies
from red.statistics.intervals import Difference, adjust, paired_difference
from red.tables.reader import Tables

EDGE = 0.1  # first and last tenth of the steps
# Standard errors that a true effect must be away from 0 to be found in 80 % of studies: 1.96 + 0.84.
POWER = 2.8


@dataclass(frozen=True)
class Evidence:
    """`verdict`: shown, not shown, opposite, direction only (too few seeds), or not measured.

    `detectable`: the smallest true effect that the test finds in 80 % of studies, POWER standard errors of the
    paired bootstrap; in the unit of `effect`.
    """

    verdict: str
    text: str
    p: float | None = None
    seeds: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class Measurements:
    """What the claims are tested on; each part is read once, when first needed."""

    tables: Tables

    @cached_property
    def math(self) -> tuple[str, ...]:
        """The benchmarks of Table 2."""
        return self.tables.group("math")

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return self.tables.scores(self.tables.runs)

    @cached_property
    def accuracy(self) -> Comparison:
        """Accuracy of every run on every benchmark."""
        return compare(self._scores)

    @cached_property
    def length(self) -> Comparison:
        """Response tokens of every run on every benchmark."""
        return compare(self._scores, "length")

    @cached_property
    def entropies(self) -> pd.DataFrame:
        """Fixed-prompt entropies of every run, see `entropy.entropies`."""
        return entropies(self.tables, self.tables.runs)

    @cached_property
    def demonstrations(self) -> pd.DataFrame:
        """The confidence probe, one row per demonstration."""
        return demonstrations(self.tables)[1]


def absent(*what: str) -> Evidence:
    """Nothing to test on."""
    return Evidence("not measured", "needs " + ", ".join(what))


def verdict(effect: float, p: float | None, sign: int) -> str:
    """What an effect and its p-value say about a claim that the effect has this sign."""
    if p is None:
        return "direction only" if effect * sign > 0 else "not shown"
    if p >= ALPHA:
        return "not shown"
    return "shown" if effect * sign > 0 else "opposite"


def direction_below(found: Evidence, seeds: int, fewest: int) -> Evidence:
    """The same evidence, but with fewer than `fewest` seeds no test: only whether the effect is above 0."""
    if seeds >= fewest or found.effect is None:
        return found
    return replace(found, verdict=verdict(found.effect, None, 1), p=None)


def higher(
    data: Comparison, first: str, second: str, benchmarks: Sequence[str], sign: int = 1, unit: str = " points"
) -> Evidence:
    """`first` is above (sign 1) or below (-1) `second` on the mean of some benchmarks."""
    change = data.difference(first, second, benchmarks)
    if change is None:
        return absent(*(run for run in (first, second) if not data.strata(run, benchmarks)))
    return _of_difference(change, sign, f"{first} − {second}", _counted(data, first, second, benchmarks), unit)


def above_all(data: Comparison, run: str, others: Sequence[str], benchmarks: Sequence[str]) -> Evidence:
    """`run` is above each of the others that were run, Holm-adjusted."""
    pairs = {other: data.difference(run, other, benchmarks) for other in others}
    changes = {other: change for other, change in pairs.items() if change is not None}
    if not changes:
        return absent(*(name for name in (run, *others) if not data.strata(name, benchmarks)))
    p_values = dict(zip(changes, adjust([change.p for change in changes.values()]), strict=True))
    above = [other for other, change in changes.items() if change.mean > 0 and p_values[other] < ALPHA]
    below = [other for other, change in changes.items() if change.mean < 0 and p_values[other] < ALPHA]
    nearest = min(changes, key=lambda other: changes[other].mean)
    text = f"by the test above {len(above)} and below {len(below)} of {len(changes)}"
    text += f"; least margin {_signed(changes[nearest])} to {nearest}"
    if unrun := [other for other in others if other not in changes]:
        text += f"; not run: {', '.join(unrun)}"
    outcome = "opposite" if below else "shown" if len(above) == len(others) else "not shown"
    seeds = str(data.seeds(run, benchmarks))
    detectable = 100 * POWER * changes[nearest].error
    return Evidence(outcome, text, float(max(p_values.values())), seeds, *percent(changes[nearest]), detectable)


def groups_differ(data: Comparison, first: Sequence[str], second: Sequence[str], benchmarks: Sequence[str]) -> Evidence:
    """The mean of one group of runs is above that of another; seeds are matched by order."""
    lacking = [run for run in (*first, *second) if not data.strata(run, benchmarks)]
    if lacking:
        return absent(*lacking)
    one, two = (_average([data.strata(run, benchmarks) for run in group]) for group in (first, second))
    change = paired_difference(one, two, np.random.default_rng(SEED))
    name = f"{'+'.join(first)} − {'+'.join(second)}"
    return _of_difference(change, 1, name, f"{len(one[0])}, {len(two[0])}", " points")


def drop_below(data: Comparison, run: str, clean: str, benchmarks: Sequence[str], margin: float) -> Evidence:
    """`run` loses less than `margin` points against `clean`: the interval lies above -margin."""
    change = data.difference(run, clean, benchmarks)
    if change is None:
        return absent(*(name for name in (run, clean) if not data.strata(name, benchmarks)))
    _, low, high = percent(change)
    outcome = "shown" if low > -margin else "opposite" if high < -margin else "not shown"
    seeds = _counted(data, run, clean, benchmarks)
    detectable = 100 * POWER * change.error
    return Evidence(outcome, f"change {_signed(change)}", change.p, seeds, *percent(change), detectable)


def drops_less(
    data: Comparison, run: str, clean: str, other: str, other_clean: str, benchmarks: Sequence[str]
) -> Evidence:
    """The change from `clean` to `run` is above that from `other_clean` to `other`."""
    lacking = [r for r in (run, clean, other, other_clean) if not data.strata(r, benchmarks)]
    if lacking:
        return absent(*lacking)
    changes = []
    for corrupted, reference in ((run, clean), (other, other_clean)):
        one, two = data.strata(corrupted, benchmarks), data.strata(reference, benchmarks)
        count = min(len(one[0]), len(two[0]))
        changes.append([a[:count] - b[:count] for a, b in zip(one, two, strict=True)])
    first, second = changes
    contrast = paired_difference(first, second, np.random.default_rng(SEED))
    return _of_difference(contrast, 1, "change − change", f"{len(first[0])}, {len(second[0])}", " points")


def trend(tables: Tables, run: str, metric: str, sign: int, unit: str = "", relative: bool = False) -> Evidence:
    """A logged metric moves in one direction from the first to the last tenth of training.

    One value per seed, t-test over seeds; with one seed only the direction is known.
    """
    logged = tables.dynamics(tables.named(run), [metric])
    if logged.empty:
        return absent(f"{metric} of {run}")
    changes, starts = [], []
    for _, rows in logged.groupby("seed"):
        first, last = rows["step"].min(), rows["step"].max()
        edge = EDGE * (last - first)
        early = rows[rows["step"] <= first + edge]["value"].mean()
        late = rows[rows["step"] >= last - edge]["value"].mean()
        starts.append(early)
        changes.append((late - early) / (early if relative else 1))
    values = np.array(changes)
    p = float(ttest_1samp(values, 0).pvalue) if len(values) > 1 and values.std() > 0 else None
    change = f"{100 * values.mean():+.0f} %" if relative else f"{values.mean():+.3g}{unit}"
    text = f"{metric}: {change} from {np.mean(starts):.3g}{unit}"
    return Evidence(verdict(values.mean(), p, sign), text, p, str(len(values)), float(values.mean()))


def phase(data: Measurements, run: str, quantity: str, sign: int) -> Evidence:
    """A fixed-prompt entropy moves in one direction from the first to the last probe of a run."""
    rows = data.entropies[(data.entropies["run"] == run) & (data.entropies["quantity"] == quantity)]
    if rows["step"].nunique() < 2:
        return absent(f"entropy probes of {run}")
    wide = rows.pivot(index="example", columns="step", values="value").dropna()
    change = (wide.iloc[:, -1] - wide.iloc[:, 0]).to_numpy()
    text = f"{run}: {wide.iloc[:, 0].mean():.2f} → {wide.iloc[:, -1].mean():.2f} nats"
    seeds = str(len(data.tables.named(run)[0].seeds))
    return of_units(change, sign, text, seeds)


def of_units(values: np.ndarray, sign: int, text: str, seeds: str = "") -> Evidence:
    """The mean over independent units (prompts, problems) has a sign; paired bootstrap against 0."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return absent("more than one unit")
    mean = paired_difference(values, np.zeros_like(values), np.random.default_rng(SEED))
    numbers = mean.mean, mean.low, mean.high, POWER * mean.error
    return Evidence(verdict(mean.mean, mean.p, sign), text, mean.p, seeds, *numbers)


def _counted(data: Comparison, run: str, other: str, benchmarks: Sequence[str]) -> str:
    """Seeds behind a difference: those that both have, or those of each."""
    if shared := data.shared(run, other, benchmarks):
        return str(len(shared))
    return f"{data.seeds(run, benchmarks)}, {data.seeds(other, benchmarks)}"


def _of_difference(change: Difference, sign: int, name: str, seeds: str, unit: str) -> Evidence:
    scale = 100 if unit == " points" else 1
    mean, low, high = percent(change, scale)
    text = f"{name} = {mean:+.1f}{unit} [{low:+.1f}, {high:+.1f}]"
    detectable = scale * POWER * change.error
    return Evidence(verdict(change.mean, change.p, sign), text, change.p, seeds, mean, low, high, detectable)


def _signed(change: Difference) -> str:
    mean, low, high = percent(change)
    return f"{mean:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _average(runs: list[list[np.ndarray]]) -> list[np.ndarray]:
    count = min(len(strata[0]) for strata in runs)
    return [np.mean([part[:count] for part in parts], axis=0) for parts in zip(*runs, strict=True)]
