"""Studies that change one knob each, beside a reference: what a setting comes to, and the order of methods in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from analysis.measures.compare import FEWER, Comparison, Estimate, compare
from analysis.measures.premises import Finding, judge
from red.statistics.intervals import Difference
from red.tables.reader import BASE, Run, Study, Tables

UNNAMED = Study("this study")


@dataclass(frozen=True)
class Condition:
    """One study, its runs under their own names."""

    study: Study
    tables: Tables

    @property
    def runs(self) -> tuple[Run, ...]:
        """All but the base."""
        return tuple(run for run in self.tables.runs if run.name != BASE)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Those of mathematics."""
        return self.tables.group("math")

    @cached_property
    def premises(self) -> Mapping[str, Finding]:
        """What was measured of the world, by the name of the premise."""
        return {found.premise.name: found for found in judge(self.tables) if found.holds is not None}

    @cached_property
    def accuracy(self) -> Comparison:
        """Of all runs."""
        return compare(self.tables.scores(self.runs, self.benchmarks))

    def estimate(self, run: str) -> Estimate | None:
        """Mean accuracy over the benchmarks with its interval."""
        return self.accuracy.estimate(run, self.benchmarks, FEWER)

    def difference(self, run: str, other: str) -> Difference | None:
        """`run` minus `other` by the paired bootstrap."""
        return self.accuracy.difference(run, other, self.benchmarks)

    def order(self, names: Sequence[str]) -> list[str]:
        """Those of the runs that have a mean accuracy, the highest first."""
        means = {name: self.accuracy.mean(name, self.benchmarks) for name in names}
        return sorted((name for name, mean in means.items() if mean is not None), key=lambda name: -(means[name] or 0))


@dataclass(frozen=True)
class Knob:
    """What is changed: its title, what a setting comes to, and how that is written."""

    title: str
    axis: str
    measure: Callable[[Condition], float] = lambda condition: np.nan
    form: str = "{:.3g}"


def _of_premise(name: str) -> Callable[[Condition], float]:
    return lambda condition: condition.premises[name].value if name in condition.premises else np.nan


def _limit(condition: Condition) -> float:
    limits = {run.spec.get("training", {}).get("max_new_tokens", np.nan) for run in condition.runs}
    return float(limits.pop()) if len(limits) == 1 else np.nan


KNOBS = {
    "opener": Knob("Opener", "probability of the first token", _of_premise("P11"), "{:.2g}"),
    "limit": Knob("Response limit", "tokens", _limit, "{:.0f}"),
    "length": Knob("Length of demonstrations", "length, rollouts of the base = 1", _of_premise("P10"), "{:.2f}"),
    "unsolved": Knob("Prompts", "never solved by the base", _of_premise("P2"), "{:.0f} %"),
    "aggregation": Knob("Aggregation", "of policy-gradient tokens"),
}


@dataclass(frozen=True)
class Setting:
    """A condition as a point of one knob; `measured` is what the setting comes to, NaN where that has no number."""

    condition: Condition
    measured: float


@dataclass(frozen=True)
class Change:
    """Two runs whose order is not that of the reference: `above` is the higher one here.

    `here` and `there` are `above` minus `below` in the condition and in the reference.
    """

    condition: Condition
    above: str
    below: str
    here: Difference
    there: Difference

    @property
    def is_clear(self) -> bool:
        """Neither interval holds 0."""
        return self.here.low > 0 > self.there.high


def conditions(tables: Tables) -> tuple[Condition, ...]:
    """The joined studies, or the one that was not joined."""
    if any("@" in run.name for run in tables.runs):
        return tuple(Condition(study, tables.of_study(study)) for study in tables.studies)
    return (Condition(next(iter(tables.studies), UNNAMED), tables),)


def reference(studies: Sequence[Condition]) -> Condition | None:
    """The study that changes no knob, if there is one and no second."""
    found = [one for one in studies if not one.study.knob]
    return found[0] if len(found) == 1 else None


def settings(studies: Sequence[Condition]) -> dict[str, list[Setting]]:
    """Per knob its settings and the reference, in order of what they come to; without numbers the reference first."""
    at_default = reference(studies)
    found: dict[str, list[Setting]] = {}
    for knob in dict.fromkeys(one.study.knob for one in studies if one.study.knob):
        measure = known(knob).measure
        own = [*([at_default] if at_default else []), *(one for one in studies if one.study.knob == knob)]
        points = [Setting(condition, measure(condition)) for condition in own]
        numbered = not any(np.isnan(point.measured) for point in points)
        found[knob] = sorted(points, key=lambda point: point.measured) if numbered else points
    return found


def known(knob: str) -> Knob:
    """A knob that nothing is known of is titled by its name."""
    return KNOBS.get(knob, Knob(knob.replace("_", " ").capitalize(), "setting"))


def changes(studies: Sequence[Condition], names: Sequence[str]) -> list[Change]:
    """Every pair of the named runs that stands in another order than in the reference."""
    if (usual := reference(studies)) is None:
        return []
    place = {name: number for number, name in enumerate(usual.order(names))}
    found = []
    for one in studies:
        for above, below in combinations(filter(place.__contains__, one.order(names)), 2):
            if place[above] > place[below]:
                here, there = one.difference(above, below), usual.difference(above, below)
                assert here and there, f"{above} and {below} have means"
                # Equal means are no order.
                found += [Change(one, above, below, here, there)] if here.mean > 0 > there.mean else []
    return found
