"""What the equations of plain.py are written in: an update's sequences, shares of a loss, means, and common parts.

Derivatives are exact: a log-probability carries an infinitesimal imaginary part, every token's share of the loss
depends on its own log-probability alone, and so the imaginary part of that share is the derivative. A comparison sees
the real part, and `sg` takes the infinitesimal away.
"""

import cmath
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, stdev
from typing import Any

TINY = 1e-100

Rows = list[int]
Gain = Callable[[int, int], complex]
Shares = dict[tuple[int, int], complex]


@dataclass(frozen=True)
class Sequence:
    """A rollout or a demonstration. A token counts where `mask` is 1; what is not `kept` counts in advantages only."""

    group: int
    is_demonstration: bool
    reward: float
    accuracy: float
    mask: list[int]
    logp: list[complex]
    old_logp: list[float]
    entropy: list[complex]
    kept: bool = True
    prefix: int = 0
    prefix_kept: bool = True
    teacher_logp: list[float] | None = None

    @property
    def counted(self) -> list[int]:
        """Positions that count."""
        return [t for t, m in enumerate(self.mask) if m]

    @property
    def copied(self) -> list[int]:
        """Those of them that were copied from the demonstration: all, none, or a prefix."""
        return self.counted if self.is_demonstration else self.counted[: self.prefix]


@dataclass(frozen=True)
class Step:
    """All sequences of an optimizer step, with w, mu, the longest response, and the rows that a control marks."""

    sequences: list[Sequence]
    limit: int
    w: float = 1.0
    mu: float = 0.0
    marked: Rows = field(default_factory=list)

    @property
    def rollouts(self) -> Rows:
        return [i for i, s in enumerate(self.sequences) if not (s.is_demonstration or s.prefix)]

    @property
    def hybrids(self) -> Rows:
        return [i for i, s in enumerate(self.sequences) if s.prefix]

    @property
    def demonstrations(self) -> Rows:
        return [i for i, s in enumerate(self.sequences) if s.is_demonstration]

    @property
    def groups(self) -> list[int]:
        return sorted({s.group for s in self.sequences})

    def members(self, group: int, over: str) -> Rows:
        """Rows of a group: all of them ("union") or its rollouts ("rollouts")."""
        every = [i for i, s in enumerate(self.sequences) if s.group == group]
        return every if over == "union" else [i for i in every if i in self.rollouts]

    def accuracy(self, group: int, over: str = "rollouts") -> float:
        """Mean verdict; 0 for a group without such members."""
        members = self.members(group, over)
        return fmean(self.sequences[i].accuracy for i in members) if members else 0.0

    def mixed(self, over: str) -> Rows:
        """Rows of the groups that have right and wrong members."""
        return [i for i, s in enumerate(self.sequences) if 0 < self.accuracy(s.group, over) < 1]


@dataclass(frozen=True)
class Terms:
    """Shares of each token in the four terms, and the coefficients with which they enter the loss."""

    rollout: Shares = field(default_factory=dict)
    demonstration: Shares = field(default_factory=dict)
    nll: Shares = field(default_factory=dict)
    entropy: Shares = field(default_factory=dict)
    c_rollout: float = 1.0
    c_nll: float = 0.0
    c_entropy: float = 0.0

    def share(self, i: int, t: int) -> complex:
        """Of one token in the loss."""
        key = (i, t)
        return (
            self.c_rollout * self.rollout.get(key, 0)
            + self.demonstration.get(key, 0)
            + self.c_nll * self.nll.get(key, 0)
            - self.c_entropy * self.entropy.get(key, 0)
        )


def sequences_of(inputs: dict[str, Any], members: str) -> list[dict[str, Any]]:
    """The input sequences that a method's step has. An expert's prompt is another one: a group of its own."""
    rows = inputs["sequences"]
    match members:
        case "rollouts":
            return [row for row in rows if not row["is_demonstration"]]
        case "demonstrations":
            return [row for row in rows if row["is_demonstration"]]
        case "expert":
            return [{**row, "group": row["group"] + 100} if row["is_demonstration"] else row for row in rows]
        case "hybrids":
            return [_hybrid(row) if row["is_demonstration"] else row for row in rows]
        case "several":
            # A whole demonstration in every other group; of the hybrids one whose prefix is not learned.
            odd = [row["is_demonstration"] and row["group"] % 2 == 1 for row in rows]
            return [_hybrid(row, row["group"] != 1) if one else row for row, one in zip(rows, odd, strict=True)]
    return rows


def _hybrid(row: dict[str, Any], prefix_kept: bool = True) -> dict[str, Any]:
    """The demonstration's first half, then as if sampled."""
    prefix = (1 + sum(row["mask"])) // 2
    return {**row, "is_demonstration": False, "prefix": prefix, "prefix_kept": prefix_kept}


def sg(x: complex) -> float:
    """Stop-gradient."""
    return complex(x).real


# --- means (section 0.3); the sign turns a gain into a loss -------------------------------------


def sequence_mean(step: Step, rows: Rows, sequences: int, gain: Gain) -> Shares:
    return {
        (i, t): -gain(i, t) / (sequences * len(step.sequences[i].counted))
        for i in rows
        for t in step.sequences[i].counted
    }


def token_mean(step: Step, rows: Rows, gain: Gain) -> Shares:
    tokens = sum(len(step.sequences[i].counted) for i in rows)
    return {(i, t): -gain(i, t) / tokens for i in rows for t in step.sequences[i].counted}


def constant(step: Step, rows: Rows, sequences: int, length: float, gain: Gain) -> Shares:
    return {(i, t): -gain(i, t) / (sequences * length) for i in rows for t in step.sequences[i].counted}


def mean_entropy(step: Step, rows: Rows) -> Shares:
    tokens = sum(len(step.sequences[i].counted) for i in rows)
    return {(i, t): step.sequences[i].entropy[t] / tokens for i in rows for t in step.sequences[i].counted}


# --- parts of several methods -------------------------------------------------------------------


def advantage(step: Step, over: str, eps: float | None) -> dict[int, float]:
    """R - mean, over `std + eps` unless eps is None (section 0.2); the reward itself in a group of one."""
    found = {}
    for group in step.groups:
        members = step.members(group, over)
        rewards = [step.sequences[i].reward for i in members]
        for i, reward in zip(members, rewards, strict=True):
            found[i] = reward if len(members) == 1 else reward - fmean(rewards)
            if eps is not None and len(members) > 1:
                found[i] /= stdev(rewards) + eps
    return found


def ratio(step: Step, i: int, t: int) -> complex:
    """pi / pi_old of a rollout's token."""
    sequence = step.sequences[i]
    return cmath.exp(sequence.logp[t] - sequence.old_logp[t])


def probability(step: Step, i: int, t: int) -> complex:
    """pi of a token."""
    return cmath.exp(step.sequences[i].logp[t])


def clipped(r: complex, a: float, low: float, high: float) -> complex:
    """min(r A, clamp(r, 1 - low, 1 + high) A)."""
    bound: complex = r
    if r.real < 1 - low:
        bound = 1 - low
    if r.real > 1 + high:
        bound = 1 + high
    return r * a if (r * a).real <= (bound * a).real else bound * a


def sequence_entropy(step: Step, i: int) -> float:
    """Mean over the counted tokens, without gradient."""
    return fmean(sg(step.sequences[i].entropy[t]) for t in step.sequences[i].counted)


def log_likelihood(step: Step, i: int, t: int) -> complex:
    return step.sequences[i].logp[t]


def nll(step: Step, taught: Rows) -> Shares:
    """-log pi, a token mean over demonstrations; a method that does not use it still logs it."""
    return token_mean(step, taught, partial(log_likelihood, step))
