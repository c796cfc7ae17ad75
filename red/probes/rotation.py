"""How far a training turned the singular vectors of each projection, and what a random change of the same norm does.

A checkpoint against the model that it started from, per matrix of q, k, v and down; in float64, on processors, without
prompts. Every measure stands beside two nulls: the start plus a random matrix of the norm of the change (DRAWS times;
mean, and the range in which 95 % of further draws would lie), and the start with its weights rounded to bfloat16.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from red.models.projections import double, pairs
from red.models.singular import (
    Factors,
    Floats,
    angles,
    energy,
    factors,
    random_change,
    relative_change,
    rounding_change,
)
from red.probes.row import Row
from red.ranges import Natural
from red.seeds import derive

DRAWS = 5
RANGE = 2.7764451051977987 * math.sqrt(1 + 1 / DRAWS)
"""Standard deviations of DRAWS values on either side of their mean: Student's t at 97.5 %, of one more draw."""


@dataclass(frozen=True)
class Rotation:
    """What to measure: a run's model at `step`. `seed` is that of the draws."""

    probe: Literal["rotation"]
    step: Natural
    seed: Natural = 0


def measure(spec: Rotation, trained: Path, start: Path) -> Iterator[Row]:
    """A row for each quantity of each matrix; DataError where the two models are of other shapes."""
    for name, _, before, after in pairs(start, trained):
        for quantity, value in compared(double(before), double(after), derive(spec.seed, "rotation", name)).items():
            yield Row(spec.probe, spec.step, name, None, None, quantity, value)


def compared(before: Floats, after: Floats, seed: int) -> dict[str, float]:
    """Every quantity of `red.probes.row.ROTATION` for one matrix before and after a training."""
    start, change, rng = factors(before), after - before, np.random.default_rng(seed)
    norm = float(np.linalg.norm(change))
    found = measures(start, before, change)
    draws = [measures(start, before, random_change(before.shape, norm, rng)) for _ in range(DRAWS)]
    rounded = measures(start, before, rounding_change(before, rng))
    result = {"norm_change": norm / (float(np.linalg.norm(before)) or 1.0)}
    for name, value in found.items():
        mean, low, high = expected([draw[name] for draw in draws])
        result |= {name: value, f"{name}_null": mean, f"{name}_null_low": low, f"{name}_null_high": high}
        result[f"{name}_rounding"] = rounded[name]
    return result


def measures(start: Factors, before: Floats, change: Floats) -> dict[str, float]:
    """What a change does to a matrix, by the names of `red.probes.row.MEASURES`, over its leading vectors and values.

    Angles in radians, changes of values relative. The diagonal's energy is NaN where values are so near to each other
    that single vectors mean nothing; spans still do.
    """
    after, top = factors(before + change), start.top
    values = np.abs(relative_change(start, after)[:top])
    left, right = (angles(one[:, :top], other[:, :top]) for one, other in _sides(start, after))
    parts = energy(start, change)
    return {
        "value_change": float(np.median(values)),
        "value_change_max": float(values.max()),
        "angle_left": float(np.median(left)),
        "angle_left_max": float(left.max()),
        "angle_right": float(np.median(right)),
        "angle_right_max": float(right.max()),
        "energy_diagonal": parts.diagonal if start.is_separated else math.nan,
        "energy_in_span": parts.in_span,
        "energy_outside": parts.outside,
    }


def _sides(one: Factors, other: Factors) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    return (one.left, other.left), (one.right, other.right)


def expected(draws: Sequence[float]) -> tuple[float, float, float]:
    """Mean of some draws, and the range in which 95 % of further ones would lie if they were normal."""
    values = np.asarray(draws)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    return mean, mean - RANGE * spread, mean + RANGE * spread
