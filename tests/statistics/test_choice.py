"""The rule that chooses a learning rate."""

import random

import pytest

from red.statistics.choice import best_rate

NAN = float("nan")


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ({1e-3: [0.5, 0.5], 2e-3: [0.4, 0.7]}, 2e-3),  # the mean decides, not the better seed of each
        ({1e-3: [0.2, 0.4], 2e-3: [0.4, 0.2]}, 1e-3),  # a tie
        ({1e-3: [0.1, 0.2, 0.3], 2e-3: [0.3, 0.2, 0.1], 5e-4: [0.3, 0.1, 0.2]}, 5e-4),  # one that rounding would decide
        ({1e-3: [0.1, 0.1], 2e-3: [0.9, None]}, 1e-3),  # a missing seed
        ({1e-3: [0.1, 0.1], 2e-3: [0.9, NAN]}, 1e-3),  # one that diverged
        ({1e-3: [0.0, 0.0], 2e-3: [None, None]}, 1e-3),  # nothing right is better than nothing known
        ({1e-3: [None], 2e-3: [NAN]}, None),
        ({1e-3: []}, None),
        ({}, None),
    ],
)
def test_the_highest_complete_mean_is_chosen_and_of_equal_ones_the_smallest_rate(accuracies, chosen):
    assert best_rate(accuracies) == chosen


def test_neither_the_order_of_the_grid_nor_that_of_the_seeds_matters():
    generator = random.Random(1)
    for _ in range(200):
        grid = generator.sample([2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], generator.randint(1, 5))
        accuracies = {rate: [generator.choice([0.1, 0.3, 0.7, None]) for _ in range(3)] for rate in grid}
        shuffled = {rate: generator.sample(accuracies[rate], 3) for rate in generator.sample(grid, len(grid))}
        assert best_rate(shuffled) == best_rate(accuracies)


def test_a_higher_accuracy_of_the_chosen_rate_never_loses_it():
    generator = random.Random(2)
    for _ in range(200):
        accuracies = {rate: [generator.random() for _ in range(2)] for rate in (5e-4, 1e-3, 2e-3)}
        chosen = best_rate(accuracies)
        accuracies[chosen][0] += generator.random()
        assert best_rate(accuracies) == chosen
