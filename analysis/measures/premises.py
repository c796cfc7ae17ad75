"""Premises: what a world has to be like for the paper's question, measured on base, SFT, GRPO and SFT+DAPO only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import t

from analysis.measures.compare import Comparison, compare
from analysis.measures.entropy import phases_of
from red.statistics.intervals import LEVEL
from red.tables.reader import BASE, OVERALL, Run, Tables

ROLLOUTS = 8  # per prompt in P2
FEWEST_SEEDS = 3  # for an interval over seeds
DECIDING = (BASE, "sft", "grpo", "sft_dapo")
# Its configuration says how many groups a run has; a hybrid has as many, with one demonstration in each.
GROUPS = "grpo"


@dataclass(frozen=True)
class Observed:
    """What premises are measured on: one number per seed, on the runs of DECIDING and no hybrid.

    A seed may have a base of its own; a base with one seed is everybody's.
    """

    tables: Tables

    @cached_property
    def benchmarks(self) -> tuple[str, ...]:
        """The columns of the paper's Table 2; in a study beside which it is not shown, the group `math`."""
        return self.tables.printed("main_results") or self.tables.group("math")

    @cached_property
    def short_sft(self) -> Run | None:
        """SFT from the base on as many demonstrations as a hybrid run sees, one in each of its groups."""
        wanted = _prompts(self.tables.named(GROUPS)[0])
        clean = (run for run in self.tables.runs if run.spec.get("corruption", "clean") == "clean")
        twins = (run for run in clean if run.method == "sft" and run.parent is None)
        return next((run for run in twins if wanted and _prompts(run) == wanted), None)

    @cached_property
    def _scores(self) -> pd.DataFrame:
        names = (*DECIDING, *([self.short_sft.name] if self.short_sft else ()))
        return self.tables.scores(self.tables.named(*dict.fromkeys(names)), self.benchmarks)

    @cached_property
    def _accuracy(self) -> Comparison:
        return compare(self._scores)

    @cached_property
    def _length(self) -> Comparison:
        return compare(self._scores, "length")

    def accuracy(self, run: str, benchmarks: Sequence[str] = ()) -> pd.Series:
        """Percent, over the six benchmarks unless some are given."""
        return 100 * self._accuracy.by_seed(run, benchmarks or self.benchmarks)

    def length(self, run: str) -> pd.Series:
        """Tokens."""
        return self._length.by_seed(run, self.benchmarks)

    def gain(self, run: str) -> pd.Series:
        """Points above the base of the same seed."""
        own, base = self.accuracy(run), self.accuracy(BASE)
        (known,) = self.tables.named(BASE)
        if len(base) == len(known.seeds + known.missing_seeds) == 1:
            return own - base.iloc[0]
        return own - base

    def of_base(self, *quantities: str, position: int | None = None) -> pd.DataFrame:
        """The confidence probe of the base: index (seed, prompt), means over tokens, or the value at one position."""
        columns = ["seed", "example", "position", "quantity", "value"]
        rows = self.tables.probes("confidence", columns, self.tables.named(BASE), quantities)
        rows = rows if position is None else rows[rows["position"] == position]
        wide = rows.pivot_table(index=["seed", "example"], columns="quantity", values="value")
        return wide.reindex(columns=list(quantities))

    def demonstration_length(self) -> pd.Series:
        """Tokens of the demonstrations that the same probe reads."""
        rows = self.tables.probes("confidence", ["seed", "example"], self.tables.named(BASE), ["p_small"])
        return _over_prompts(rows.groupby(["seed", "example"]).size())

    def phase(self, method: str, quantity: str) -> pd.DataFrame:
        """The entropy probe of SFT or GRPO from the base on the same prompts: columns first, last; by seed."""
        known = {run.name: run for run in self.tables.runs}
        phases = phases_of(self.tables.of_item("entropy_phases"), known)
        runs = [one.run for one in phases if one.kind == method and one.run.parent is None][:1]
        rows = self.tables.probes("entropy", ["seed", "step", "value"], runs, [quantity])
        wide = rows.pivot_table(index="seed", columns="step", values="value")
        ends = wide.iloc[:, [0, -1]] if wide.shape[1] > 1 else wide.reindex(columns=[0, 1])
        return ends.set_axis(["first", "last"], axis=1)

    def printed(self, run: str, metric: str = "accuracy") -> float:
        """The paper's mean over the six; NaN where it prints none."""
        found = self.tables.paper("main_results", run, OVERALL, metric)
        return np.nan if found is None else found


@dataclass(frozen=True)
class Premise:
    """One condition (docs/premises.md): `low` and `high` belong to the range, `above` does not.

    Letters tell the conditions of one premise apart. `measure` gives a number per seed, `paper` the printed one.
    """

    name: str
    statement: str
    unit: str
    measure: Callable[[Observed], pd.Series]
    low: float | None = None
    high: float | None = None
    above: float | None = None
    paper: Callable[[Observed], float] = lambda observed: np.nan

    @property
    def number(self) -> str:
        """What claims name: P7 for P7a."""
        return self.name.rstrip("abc")

    @property
    def threshold(self) -> str:
        """`12 to 25 %`, `≥ 8 points`."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}{self.unit}"
        sign, bound = next(
            (sign, bound) for sign, bound in (("≥", self.low), ("≤", self.high), (">", self.above)) if bound is not None
        )
        return f"{sign} {bound:g}{self.unit}"

    def met_by(self, value: float) -> bool:
        """Whether a number is in the range."""
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )


@dataclass(frozen=True)
class Finding:
    """A premise as measured: one number per seed. Its mean decides; nothing measured decides nothing."""

    premise: Premise
    by_seed: pd.Series
    paper: float

    @property
    def value(self) -> float:
        """Mean over seeds, NaN without any."""
        return float(self.by_seed.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % t-interval over seeds; NaN for fewer than FEWEST_SEEDS."""
        if (count := len(self.by_seed)) < FEWEST_SEEDS:
            return np.nan, np.nan
        reach = t.ppf((1 + LEVEL) / 2, count - 1) * self.by_seed.std(ddof=1) / np.sqrt(count)
        return self.value - reach, self.value + reach

    @property
    def holds(self) -> bool | None:
        """None where nothing was measured."""
        return None if self.by_seed.empty else self.premise.met_by(self.value)

    @property
    def seeds_that_hold(self) -> int:
        """Seeds that meet it on their own."""
        return sum(map(self.premise.met_by, self.by_seed))


def judge(tables: Tables) -> tuple[Finding, ...]:
    """Every premise, in order."""
    observed = Observed(tables)
    return tuple(Finding(one, one.measure(observed).dropna(), one.paper(observed)) for one in PREMISES)


def failed(findings: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """Those of the named premises that were measured and do not hold."""
    return [one for one in findings if one.premise.number in names and one.holds is False]


def _prompts(run: Run) -> int:
    """Prompts that a training goes through, 0 where it is not configured."""
    training = run.spec.get("training", {})
    return int(training.get("steps", 0) * training.get("prompts_per_step", 0))


def _over_prompts(values: pd.Series) -> pd.Series:
    means: pd.Series = values.groupby(level="seed").mean()
    return means


def _never_solved(data: Observed) -> pd.Series:
    probe = data.of_base("group_accuracy", "group_size")
    solved = probe[probe["group_size"] == ROLLOUTS]["group_accuracy"]
    return 100 * _over_prompts((solved == 0).astype(float))


def _both_above_either(data: Observed) -> pd.Series:
    either = pd.concat([data.accuracy("sft"), data.accuracy("grpo")], axis=1, join="inner").max(axis=1)
    return data.accuracy("sft_dapo") - either


def _share_of_gain(data: Observed) -> pd.Series:
    if data.short_sft is None:
        return pd.Series(dtype=float)
    whole = data.gain("sft")
    return 100 * data.gain(data.short_sft.name) / whole.where(whole > 0)


def _fall(method: str, quantity: str) -> Callable[[Observed], pd.Series]:
    def measure(data: Observed) -> pd.Series:
        ends = data.phase(method, quantity)
        return 100 * (1 - ends["last"] / ends["first"])

    return measure


def _printed_fall(method: str, metric: str) -> Callable[[Observed], float]:
    def paper(data: Observed) -> float:
        first, last = (data.tables.paper("entropy_phases", method, step, metric) for step in ("step0", "step300"))
        return 100 * (1 - last / first) if first and last else np.nan

    return paper


def _share(quantity: str) -> Callable[[Observed], pd.Series]:
    return lambda data: 100 * _over_prompts(data.of_base(quantity)[quantity].dropna())


def _benchmarks_ahead(data: Observed) -> pd.Series:
    pairs = [(data.accuracy("sft", [name]), data.accuracy("grpo", [name])) for name in data.benchmarks]
    if not pairs or any(sft.empty or grpo.empty for sft, grpo in pairs):
        return pd.Series(dtype=float)
    differences = pd.concat([sft - grpo for sft, grpo in pairs], axis=1).dropna()
    return (differences > 0).sum(axis=1).astype(float)


def _printed_ahead(data: Observed) -> float:
    printed = [
        [data.tables.paper("main_results", run, name, "accuracy") for run in ("sft", "grpo")]
        for name in data.benchmarks
    ]
    return float(sum(sft > grpo for sft, grpo in printed if sft is not None and grpo is not None)) or np.nan


PREMISES = (
    Premise("P1", "The base is weak: mean accuracy on the six benchmarks", " %", lambda d: d.accuracy(BASE), 12, 25),
    Premise("P2", "Much is out of its reach: training prompts that none of 8 rollouts solves", " %", _never_solved, 30),
    Premise(
        "P3",
        "Imitation is ahead of RL: SFT − GRPO",
        " points",
        lambda d: d.accuracy("sft") - d.accuracy("grpo"),
        1,
        12,
        paper=lambda d: d.printed("sft") - d.printed("grpo"),
    ),
    Premise(
        "P4",
        "One after the other is ahead of either: SFT+DAPO − the better of SFT and GRPO",
        " points",
        _both_above_either,
        2,
        paper=lambda d: d.printed("sft_dapo") - max(d.printed("sft"), d.printed("grpo")),
    ),
    Premise(
        "P5",
        "Imitation makes long responses: length of SFT / GRPO",
        "",
        lambda d: d.length("sft") / d.length("grpo"),
        1.5,
        3.5,
        paper=lambda d: d.printed("sft", "length") / d.printed("grpo", "length"),
    ),
    Premise("P6", "RL alone learns: GRPO − base", " points", lambda d: d.gain("grpo"), 8),
    Premise(
        "P7a",
        "RL makes rollouts certain: GRPO's rollout entropy below the base's by",
        " %",
        _fall("grpo", "entropy_rollout"),
        30,
        paper=_printed_fall("grpo", "entropy/rollout"),
    ),
    Premise(
        "P7b",
        "So does SFT: its rollout entropy below the base's by",
        " %",
        _fall("sft", "entropy_rollout"),
        above=0,
        paper=_printed_fall("sft", "entropy/rollout"),
    ),
    Premise(
        "P7c",
        "and its entropy on demonstrations below the base's by",
        " %",
        _fall("sft", "entropy_demonstration"),
        above=0,
        paper=_printed_fall("sft", "entropy/demonstration"),
    ),
    Premise(
        "P8",
        "Imitation is quick: share of SFT's gain after a hybrid's number of demonstrations",
        " %",
        _share_of_gain,
        60,
    ),
    Premise("P9", "The base works things out: rollouts that hold an equation", " %", _share("equation_rollout"), 60),
    Premise(
        "P10",
        "Demonstrations are long: length of demonstrations / base rollouts",
        "",
        lambda d: d.demonstration_length() / _over_prompts(d.of_base("length_rollout")["length_rollout"].dropna()),
        2,
        3.5,
    ),
    Premise(
        "P11",
        "They begin as the base seldom does: its probability of their first token",
        "",
        lambda d: _over_prompts(d.of_base("p_small", position=0)["p_small"].dropna()),
        0.005,
        0.06,
    ),
    Premise(
        "P12",
        "They surprise the base: its mean probability of their tokens",
        "",
        lambda d: _over_prompts(d.of_base("p_small")["p_small"].dropna()),
        high=0.85,
    ),
    Premise(
        "P13a", "They think aloud: demonstrations with a thinking word", " %", _share("thinking_demonstration"), 50
    ),
    Premise(
        "P13b",
        "and SFT learns it: its rollouts with a thinking word",
        " %",
        lambda d: 100 * d.phase("sft", "thinking_rollout")["last"],
        20,
    ),
    Premise(
        "P14",
        "SFT is ahead of GRPO across the board: number of the six benchmarks",
        "",
        _benchmarks_ahead,
        3,
        paper=_printed_ahead,
    ),
)
