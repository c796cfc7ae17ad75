"""What GAC moves mu by, against numbers derived by hand."""

import math

import pytest
import torch

from red.objective.batch import Batch, Members
from red.objective.loss import plan
from red.objective.noise import gradient_noise
from red.objective.spec import NLL, Advantage, ObjectiveSpec

SPEC = ObjectiveSpec(advantage=Advantage(std=False))


def measured(rewards, nlls, weight="one"):
    """Of one group of rollouts of probability 1/2 and demonstrations of one token each."""
    logp = torch.tensor([[math.log(0.5)]] * len(rewards) + [[-nll] for nll in nlls], dtype=torch.float64)
    ones = torch.ones(len(logp), dtype=torch.float64)
    reward = torch.tensor([*rewards, *[1.0] * len(nlls)], dtype=torch.float64)
    is_demonstration = torch.arange(len(logp)) >= len(rewards)
    batch = Batch(logp, logp, torch.zeros_like(logp), torch.ones_like(logp))
    members = Members(torch.zeros(len(logp)), is_demonstration, reward, reward, ones)
    return gradient_noise(batch, NLL(token_weight=weight), plan(members, SPEC))


@pytest.mark.parametrize(
    ("nlls", "variance"),
    [
        ([1.0, 2.0, 3.0], 2 / 3),  # too few: all of them
        ([9.0, 2.0, 3.0, 0.0], 1 / 4),  # one on either side: 2 and 3
        ([*range(19, -1, -1)], (16**2 - 1) / 12),  # of twenty two on either side: sixteen in a row
    ],
)
def test_a_tenth_of_the_demonstrations_is_trimmed_on_both_sides(nlls, variance):
    found = measured([1.0, 0.0], nlls)
    assert found.demonstration == pytest.approx(variance, rel=1e-12)
    assert found.rollout == pytest.approx(1 / 4, rel=1e-12)  # A is 1/2 and -1/2


@pytest.mark.parametrize(("weight", "coefficients"), [("one", (1, 1)), ("phi", (1 / 4, 0.9 * 0.1))])
def test_the_gap_is_that_of_the_coefficients_on_the_gradient_of_log_pi(weight, coefficients):
    """The NLL's on every token, A on those of rollouts: here 1/2 and -1/2."""
    on_rollouts, on_demonstrations = coefficients
    parts = [(on_rollouts - 0.5) ** 2, (on_rollouts + 0.5) ** 2, on_demonstrations**2]
    assert measured([1.0, 0.0], [-math.log(0.9)], weight).gap == pytest.approx(sum(parts) / 3, rel=1e-12)


def test_without_rollouts_or_without_demonstrations_nothing_is_measured():
    assert measured([1.0, 0.0], []) is None
    assert measured([], [1.0]) is None
