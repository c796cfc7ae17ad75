"""Propositions, checked numerically.

Each proposition of the paper on a grid and on random draws, with the number that decides it. Needs no training run.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.coefficients import entropy_change, luffy, shift_ratio, through_denominator
from analysis.output.item import Cell, Row, Table
from red.tables.reader import Tables

BETAS = np.linspace(0, 1, 201)
PROBABILITIES = np.concatenate([np.geomspace(1e-9, 1e-2, 200), np.linspace(0.01, 1, 400)])
TOLERANCE = 1e-12
DRAWS = 20_000
ROLLOUTS = 7


@dataclass(frozen=True)
class Finding:
    """What came out of one check; `value` is the number that decides it."""

    result: str
    holds: str
    value: float
    checked: str


@dataclass(frozen=True)
class Check:
    """A statement and how it is tested."""

    name: str
    statement: str
    test: Callable[[], Finding]


def build(tables: Tables) -> Table:
    """One row per statement: does it hold, and by which number."""
    findings = [(check, check.test()) for check in CHECKS]
    rows = [
        Row(check.name, (Cell(check.statement), Cell(one.holds), Cell(one.result), Cell(one.checked)))
        for check, one in findings
    ]
    numbers = pd.DataFrame(
        [(check.name, check.statement, one.holds, one.value, one.result, one.checked) for check, one in findings],
        columns=["proposition", "statement", "holds", "value", "result", "checked"],
    )
    return Table(
        title="The paper's propositions, checked numerically",
        caption="ρ = π/(β+(1−β)π) is the coefficient of a demonstration token, β the group accuracy. Grid: "
        f"{len(BETAS)} values of β in [0, 1] by {len(PROBABILITIES)} values of π in [1e-9, 1]. Random draws: "
        f"{DRAWS} softmax distributions of 2 to 50 outcomes. No training run enters this table.",
        stub="Proposition",
        columns=("Statement", "Holds", "Found", "Checked on"),
        rows=tuple(rows),
        numbers=numbers,
        layout="lp{4.5cm}p{2cm}p{7cm}p{2.5cm}",
    )


def _grid() -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(PROBABILITIES, BETAS)


def _printed_bound() -> Finding:
    pi, beta = _grid()
    inside = beta < 1
    bound = 1 / (1 - beta[inside])
    slack = bound / shift_ratio(pi[inside], beta[inside])
    tightest = float(slack[beta[inside] > 0].min())
    text = f"true but loose: for β > 0 the bound is at least {tightest:.3f} times ρ, and infinite at β = 1"
    return Finding(text, "yes, vacuous" if slack.min() >= 1 - TOLERANCE else "no", tightest, "grid")


def _tight_bound() -> Finding:
    pi, beta = _grid()
    upper = np.minimum(1, np.divide(pi, beta, out=np.full_like(pi, np.inf), where=beta > 0))
    rho = shift_ratio(pi, beta)
    worst = float(np.max(rho - upper))
    edges = np.concatenate([shift_ratio(np.ones_like(BETAS), BETAS), shift_ratio(PROBABILITIES, 0.0)])
    equal = np.allclose(edges, 1, rtol=0, atol=TOLERANCE)
    text = f"largest excess {max(worst, 0):.1e}; equality at π = 1 and at β = 0: {'yes' if equal else 'no'}"
    return Finding(text, "yes" if worst <= TOLERANCE and equal else "no", worst, "grid")


def _lower_bound() -> Finding:
    pi, beta = _grid()
    worst = float(np.max(pi - shift_ratio(pi, beta)))
    text = f"largest shortfall {max(worst, 0):.1e}; equality at β = 1 (MixPolicy)"
    return Finding(text, "yes" if worst <= TOLERANCE else "no", worst, "grid")


def _monotone() -> Finding:
    pi, beta = _grid()
    rho = shift_ratio(pi, beta)
    rises, falls = np.diff(rho, axis=1).min(), np.diff(rho, axis=0).max()
    good = rises >= -TOLERANCE and falls <= TOLERANCE
    text = "no step of the grid against it" if good else f"steps of {rises:.1e} in π, {falls:.1e} in β"
    return Finding(text, "yes" if good else "no", float(rises), "grid")


def _vanishing() -> Finding:
    limits = shift_ratio(np.full_like(BETAS, 1e-9), BETAS)
    positive = float(limits[BETAS >= 0.05].max())
    text = f"at π = 1e-9: {positive:.1e} at most for β ≥ 0.05, but {limits[0]:.0f} at β = 0"
    return Finding(text, "only for β > 0", float(limits[0]), "grid")


def _entropy_example() -> Finding:
    pair = np.array([0.9, 0.1])
    likely, unlikely = entropy_change(pair, 0), entropy_change(pair, 1)
    text = f"π = (0.9, 0.1): dH = {likely:+.4f} for the likely target, {unlikely:+.4f} for the unlikely one"
    return Finding(text, "no" if likely < 0 else "yes", likely, "counter-example")


def _entropy_share() -> Finding:
    random = np.random.default_rng(0)
    changes = []
    for _ in range(DRAWS):
        logits = random.normal(0, random.uniform(0.2, 4), random.integers(2, 51))
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        changes.append(entropy_change(probabilities, random.choice(len(logits), p=probabilities)))
    share = float(np.mean(np.array(changes) < 0))
    text = f"dH < 0 for {100 * share:.0f} % of targets drawn from the distribution itself"
    return Finding(text, "no" if share > 0 else "yes", share, "random draws")


def _imitation_limit() -> Finding:
    gap = float(np.abs(shift_ratio(PROBABILITIES, 1e-12) - 1)[PROBABILITIES > 1e-6].max())
    text = f"ρ differs from 1 by {gap:.1e} at β = 1e-12, π > 1e-6; the update is this times w and Â"
    return Finding(text, "yes, up to w·Â" if gap < 1e-5 else "no", gap, "grid")


def _accuracy_premise() -> Finding:
    advantages = [_advantage_of_demonstration(right) for right in range(ROLLOUTS + 1)]
    text = (
        "β is the accuracy of the rollouts and rises as the model learns; meanwhile the demonstration's "
        f"advantage falls from {advantages[0]:.2f} (none right) to {advantages[-1]:.2f} (all right)"
    )
    falls = bool(np.all(np.diff(advantages) < 0))
    holds = "premise fails" if falls else "open"
    return Finding(text, holds, advantages[-1], f"{ROLLOUTS} rollouts and a right demonstration")


def _advantage_of_demonstration(right: int) -> float:
    """Standardised advantage of a right demonstration beside rollouts of which `right` are right."""
    rewards = np.array([1.0] * (right + 1) + [0.0] * (ROLLOUTS - right))
    return float((1 - rewards.mean()) / (rewards.std(ddof=1) + 1e-6))


def _through_zero() -> Finding:
    coefficient = through_denominator(PROBABILITIES, 0.0)
    text = f"largest coefficient at β = 0: {coefficient.max():.0f}; the hardest prompts would teach nothing"
    return Finding(text, "yes", float(coefficient.max()), "grid")


def _luffy_twin() -> Finding:
    beta = 1 / 8
    gamma = beta / (1 - beta)
    gap = np.abs(through_denominator(PROBABILITIES, beta) * (1 - beta) - luffy(PROBABILITIES, gamma)).max()
    text = f"largest difference {gap:.1e} at β = 1/8, γ = {gamma:.3f}"
    return Finding(text, "yes" if gap < TOLERANCE else "no", float(gap), "grid")


CHECKS = (
    Check("1.1, as printed", "ρ ≤ 1/(1−β)", _printed_bound),
    Check("1.1, tight", "ρ ≤ min(1, π/β) ≤ 1", _tight_bound),
    Check("1.1, from below", "ρ ≥ π", _lower_bound),
    Check("1.1, shape", "ρ rises with π and falls with β", _monotone),
    Check("1.2", "ρ → 0 as π → 0", _vanishing),
    Check("1.3", "β → 1 implies that entropy rises", _entropy_example),
    Check("1.3, how often", "β → 1 implies that entropy rises", _entropy_share),
    Check("2", "β → 0 gives the imitation gradient", _imitation_limit),
    Check("3", "β → 0 during training (premise of convergence)", _accuracy_premise),
    Check("stop-gradient", "without it the coefficient is 0 at β = 0", _through_zero),
    Check("LUFFY's shape", "without it the coefficient times 1−β is LUFFY's with γ = β/(1−β)", _luffy_twin),
)
