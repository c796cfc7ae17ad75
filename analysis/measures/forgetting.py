"""What a training forgets out of domain, and what brings it back: the models of its curve, and three tests on them.

The rules of the tests were written down before there were results (docs/forgetting.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.measures.compare import ALPHA, SEED, Comparison
from red.statistics.intervals import Interval, resampled_together
from red.tables.reader import BASE, Run

DERIVED = "derived"
LEAST_LOSS = 0.05
"""Below the peak a start of RL has to be before one can say which share came back."""


@dataclass(frozen=True)
class Model:
    """A model at a step of the training whose curve is drawn; 0 is the base."""

    step: int
    run: Run


@dataclass(frozen=True)
class Surgery:
    """The end of a training, the donor of its parts, and by kind (vectors, values, null) what was made of the two."""

    late: Run
    donor: Run
    made: Mapping[str, Run]


@dataclass(frozen=True)
class Study:
    """`trunk`: the training from the base of which there are snapshots; `curve`: its models, the base first;
    `restarts`: trainings that start from one of these."""

    trunk: Run | None
    curve: tuple[Model, ...] = ()
    restarts: tuple[Model, ...] = ()
    surgeries: tuple[Surgery, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """One test: what is claimed, of what, the statistic with its interval, and `shown`, `not shown`, `opposite`, or why
    it cannot be tested."""

    claim: str
    of: str
    statistic: str
    value: Interval | None
    verdict: str


def study_of(runs: Sequence[Run]) -> Study:
    """Sort the runs of an item."""
    snapshots = [run for run in runs if kind(run) == "snapshot"]
    owners = {run.derived_from[0] for run in snapshots if run.derived_from}
    trunk = next((run for run in runs if run.name in owners and run.parent is None), None)
    if trunk is None:
        return Study(None, surgeries=_surgeries(runs))
    own = [Model(step_of(run), run) for run in snapshots if run.derived_from and run.derived_from[0] == trunk.name]
    bases = [Model(0, run) for run in runs if run.name == BASE]
    curve = sorted([*bases, *own, Model(step_of(trunk), trunk)], key=lambda model: model.step)
    return Study(trunk, tuple(curve), tuple(_restarts(runs, trunk)), _surgeries(runs))


def method_label(study: Study, method: str) -> str:
    """Of what starts from the curve: that of its run from the base, else its name."""
    return next((one.run.label for one in study.restarts if one.run.method == method and not one.step), method)


def kind(run: Run) -> str | None:
    """Of a derived model `snapshot`, `vectors`, `values` or `null`; None for others."""
    return str(run.spec.get("kind")) if run.method == DERIVED else None


def step_of(run: Run) -> int:
    """Steps of its training, or after which it was derived."""
    return int(run.spec.get("step") or 0) if run.method == DERIVED else run.steps or 0


def _restarts(runs: Sequence[Run], trunk: Run) -> list[Model]:
    found = []
    for run in runs:
        if run.method in (DERIVED, BASE) or run.name == trunk.name:
            continue
        if run.parent is None:
            found.append(Model(0, run))
        elif run.parent[0] == trunk.name:
            found.append(Model(step_of(trunk) if run.parent[1] is None else run.parent[1], run))
    return sorted(found, key=lambda model: model.step)


def _surgeries(runs: Sequence[Run]) -> tuple[Surgery, ...]:
    known, groups = {run.name: run for run in runs}, dict[tuple[str, str], dict[str, Run]]()
    for run in runs:
        donor = str(run.spec.get("donor"))
        if kind(run) == "null" and donor in known:
            donor = str(known[donor].spec.get("donor"))
        if kind(run) in ("vectors", "values", "null"):
            groups.setdefault((str(run.spec.get("of")), donor), {})[str(kind(run))] = run
    return tuple(Surgery(_model(runs, of), _model(runs, donor), made) for (of, donor), made in groups.items())


def _model(runs: Sequence[Run], name: str) -> Run:
    """What `sft` or `sft@20` names; without seeds where the study has no such model."""
    found = (run for run in runs if run.name == name or (kind(run) == "snapshot" and run.spec.get("of") == name))
    return next(found, Run(name, name, name))


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
    """Claim 3 in two halves: restored vectors recover more out of domain than restored values, and than the null.

    Statistic: the paired difference; shown where its interval lies above 0 and p < 5 %, opposite below.
    """
    verdicts = []
    for other, words in (("values", "restored values"), ("null", "a random change of the same norm")):
        claim = f"restored vectors recover more out of domain than {words}"
        runs = [surgery.made.get(name) for name in ("vectors", other)]
        names = [run.name for run in runs if run is not None]
        change = accuracy.difference(names[0], names[1], outside) if len(names) == 2 and outside else None
        verdict = "not measured"
        if change is not None:
            verdict = "not shown" if change.p >= ALPHA else "shown" if change.mean > 0 else "opposite"
        verdicts.append(Verdict(claim, surgery.late.label, "difference", change, verdict))
    return verdicts
