"""What a training forgets out of domain, and what brings it back: three tests on the models of its curve.

The rules of the tests were written down before there were results (docs/forgetting.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.measures.compare import ALPHA, SEED, Comparison
from analysis.measures.derived.curve import Model, Study, Surgery, method_label
from red.statistics.intervals import Interval, resampled_together

LEAST_LOSS = 0.05
"""Below the peak a start of RL has to be before one can say which share came back."""


@dataclass(frozen=True)
class Verdict:
    """One test: what is claimed, of what, the statistic with its interval, and `shown`, `not shown`, `opposite`, or why
    it cannot be tested."""

    claim: str
    of: str
    statistic: str
    value: Interval | None
    verdict: str


def peak(accuracy: Comparison, curve: Sequence[Model], benchmarks: Sequence[str]) -> Model | None:
    """The model with the highest mean, of equal ones the earliest."""
    means = [(model, accuracy.mean(model.run.name, benchmarks)) for model in curve]
    there = [(model, mean) for model, mean in means if mean is not None]
    return max(there, key=lambda pair: pair[1])[0] if there else None


def peaks_apart(accuracy: Comparison, curve: Sequence[Model], math: Sequence[str], outside: Sequence[str]) -> Verdict:
    """Claim 1: out of domain the curve is highest at an earlier step than in domain.

    Statistic: the share of resamples in which it is; shown from 97.5 % on, opposite where the other order has as many.
    """
    claim, of = "the peak out of domain precedes the peak in domain", curve[-1].run.label if curve else ""
    models = [model for model in curve if accuracy.complete(model.run.name, [*math, *outside])]
    if len(models) < 3 or not math or not outside:
        return Verdict(claim, of, "share of resamples", None, "not measured")
    strata = [accuracy.strata(model.run.name, [*math, *outside]) for model in models]
    drawn = resampled_together(strata, np.random.default_rng(SEED))
    steps = np.array([model.step for model in models])
    inside_at, outside_at = (
        steps[part.mean(axis=0).argmax(axis=0)] for part in (drawn[: len(math)], drawn[len(math) :])
    )
    earlier, later = float((outside_at < inside_at).mean()), float((outside_at > inside_at).mean())
    clear = 1 - ALPHA / 2
    verdict = "shown" if earlier >= clear else "opposite" if later >= clear else "not shown"
    return Verdict(claim, of, "share of resamples", Interval(earlier, np.nan, np.nan), verdict)


def shares_fall(accuracy: Comparison, study: Study, method: str, outside: Sequence[str]) -> Verdict:
    """Claim 2: the later RL starts after the peak out of domain, the smaller the share of the loss that it recovers.

    share = (after RL - start) / (peak - start), of starts past the peak that lost at least LEAST_LOSS. Statistic: slope
    of the share by the doubling of the step; shown where its interval lies below 0, opposite above.
    """
    claim, what = "RL from later models recovers a smaller share", "share recovered per doubling of the step"
    restarts = [model for model in study.restarts if model.run.method == method and model.step > 0]
    of = method_label(study, method)
    pairs = _lost(accuracy, study, restarts, outside)
    if pairs is None:
        return Verdict(claim, of, what, None, "not measured")
    if len({start.step for start, _ in pairs}) < 2:
        return Verdict(claim, of, what, None, "not testable: fewer than two starts past the peak lost 5 points")
    best = peak(accuracy, study.curve, outside)
    assert best is not None
    names = [best.run.name, *(model.run.name for pair in pairs for model in pair)]
    drawn = resampled_together([accuracy.strata(name, outside) for name in names], np.random.default_rng(SEED))
    doublings = np.log2([start.step for start, _ in pairs])
    slopes = _slopes(drawn.mean(axis=0), doublings)
    means = np.array([[accuracy.mean(name, outside)] for name in names], float)
    low, high = (float(limit) for limit in np.quantile(slopes, [ALPHA / 2, 1 - ALPHA / 2]))
    verdict = "shown" if high < 0 else "opposite" if low > 0 else "not shown"
    return Verdict(claim, of, what, Interval(float(_slopes(means, doublings)[0]), low, high), verdict)


def recovered(accuracy: Comparison, study: Study, restart: Model, outside: Sequence[str]) -> float | None:
    """The share of claim 2 for one restart, None where the start lost too little or something is missing."""
    pairs, best = _lost(accuracy, study, [restart], outside), peak(accuracy, study.curve, outside)
    if not pairs or best is None:
        return None
    top, start, end = (accuracy.mean(one.run.name, outside) or 0.0 for one in (best, *pairs[0]))
    return (end - start) / (top - start)


def _lost(
    accuracy: Comparison, study: Study, restarts: Sequence[Model], outside: Sequence[str]
) -> list[tuple[Model, Model]] | None:
    """(start, restart) where the start is past the peak and lost enough; None where nothing is measured."""
    best, models = peak(accuracy, study.curve, outside), {model.step: model for model in study.curve}
    pairs = [(models[one.step], one) for one in restarts if one.step in models]
    there = [pair for pair in pairs if all(accuracy.complete(one.run.name, outside) for one in pair)]
    if best is None or not outside or not there:
        return None
    top = accuracy.mean(best.run.name, outside) or 0.0
    return [
        pair
        for pair in there
        if pair[0].step > best.step and top - (accuracy.mean(pair[0].run.name, outside) or 0.0) >= LEAST_LOSS
    ]


def _slopes(means: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """Least-squares slopes of the shares [resamples]; `means` is [1 + 2 starts, resamples]: peak, start, end, ..."""
    lost = np.maximum(means[0] - means[1::2], 0.01)  # a resample may turn the order round
    shares = (means[2::2] - means[1::2]) / lost
    centred = doublings - doublings.mean()
    slopes: np.ndarray = centred @ shares / (centred**2).sum()
    return slopes


def restored(accuracy: Comparison, surgery: Surgery, outside: Sequence[str]) -> list[Verdict]:
    """Claim 3 in two halves: restored vectors recover more out of domain than restored values, and than the null; and
    claim 5 where it was tried: more than the donor's whole matrices.

    Statistic: the paired difference; shown where its interval lies above 0 and p < 5 %, opposite below.
    """
    verdicts = []
    others = {"values": "restored values", "null": "a random change of the same norm"}
    if "matrices" in surgery.made:
        others["matrices"] = "the whole matrices"
    for other, words in others.items():
        claim = f"restored vectors recover more out of domain than {words}"
        runs = [surgery.made.get(name) for name in ("vectors", other)]
        names = [run.name for run in runs if run is not None]
        change = accuracy.difference(names[0], names[1], outside) if len(names) == 2 and outside else None
        verdict = "not measured"
        if change is not None:
            verdict = "not shown" if change.p >= ALPHA else "shown" if change.mean > 0 else "opposite"
        verdicts.append(Verdict(claim, surgery.late.label, "difference", change, verdict))
    return verdicts
