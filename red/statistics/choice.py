"""The rule by which one of several settings is taken. Numbers in, a setting out."""

import math
from collections.abc import Mapping, Sequence

TIE = 1e-9  # means that differ by less are equal: sums in another order leave differences of 1e-17


def best_rate(accuracies: Mapping[float, Sequence[float | None]]) -> float | None:
    """The learning rate with the highest mean accuracy over seeds; among equal ones the smallest.

    `accuracies` has one value per seed for each rate. None is one that is missing, because the training diverged or
    was never made: such a rate cannot be chosen. None if no rate is complete.
    """
    there = {rate: [value for value in values if value is not None] for rate, values in accuracies.items()}
    means = {rate: math.fsum(there[rate]) / len(values) for rate, values in accuracies.items() if complete(values)}
    highest = max(means.values(), default=0.0)
    return min((rate for rate, mean in means.items() if mean >= highest - TIE), default=None)


def complete(values: Sequence[float | None]) -> bool:
    """Whether there is an accuracy, and none is missing or not a number."""
    return bool(values) and all(value is not None and math.isfinite(value) for value in values)
