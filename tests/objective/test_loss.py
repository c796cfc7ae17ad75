"""Terms of the loss on steps that are small enough to be worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from red import methods
from red.objective.aggregate import sequence_mean
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan, with_mean_gains
from red.objective.spec import NLL, Aggregation, ObjectiveSpec


def step(groups, rewards, log_ratios=None, is_demonstration=False):
    """Sequences of one token each, of probability e^-1 and entropy 2 nats; accuracy is the reward."""
    reward = torch.tensor(rewards, dtype=torch.float64)
    logp = torch.full((len(rewards), 1), -1.0, dtype=torch.float64, requires_grad=True)
    old = logp.detach() - torch.tensor(log_ratios or [0.0] * len(rewards), dtype=torch.float64)[:, None]
    ones = torch.ones_like(reward)
    batch = Batch(logp, old, 2 * torch.ones_like(old), torch.ones_like(old))
    return batch, Members(torch.tensor(groups), (ones > 0) & is_demonstration, reward, reward, ones)


@pytest.mark.parametrize(
    ("groups", "rewards", "log_ratios", "expected"),
    [
        # b is 0.1 and 0, R is 1 and 0: residuals of 0.45, squared and added 0.405, over 2 (G - 1) = 2.
        ([0, 0], [1.0, 0.0], [1.0, 0.0], 0.2025),
        # A group of one has nothing to be compared with; it counts among the groups.
        ([0, 0, 1], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0], 0.2025 / 2),
        ([0], [1.0], [1.0], 0.0),
        # b is 0; R is 1, 0, 0, 0: squares of 0.75 and three of 0.25 are 0.75, over 2 (G - 1) = 6.
        ([0] * 4, [1.0, 0.0, 0.0, 0.0], [0.0] * 4, 0.125),
    ],
)
def test_gvpo_is_the_mean_over_groups_of_squared_residuals(groups, rewards, log_ratios, expected):
    spec = methods.method("gvpo").objective
    batch, members = step(groups, rewards, log_ratios)
    whole = with_mean_gains(plan(members, spec), batch, spec.rollout, members.group_s)
    assert objective(batch, spec, whole).total.item() == pytest.approx(expected, rel=1e-12)


def nft(right, size, log_ratios=None):
    """Coefficients on grad log pi, times -N, of one group."""
    spec = ObjectiveSpec(rollout=methods.method("nft").objective.rollout, aggregation=Aggregation("token_mean"))
    batch, members = step([0] * size, [1.0] * right + [0.0] * (size - right), log_ratios)
    gradient = torch.autograd.grad(objective(batch, spec, plan(members, spec)).total, batch.logp_st)[0]
    return (-size * gradient[:, 0]).tolist()


@pytest.mark.parametrize(("right", "r"), [(1, 0.02), (99, 0.98), (50, 0.5)])
def test_nft_takes_the_accuracy_of_a_group_as_no_nearer_to_0_and_1_than_a_fiftieth(right, r):
    found = nft(right, 100)
    assert found[0] == pytest.approx(1 - r, rel=1e-12) and found[-1] == pytest.approx(-r, rel=1e-12)


def test_nft_no_longer_moves_a_token_whose_ratio_is_beyond_e_to_the_tenth():
    """Before, the coefficient is -r R: the logarithm's argument, below 1, is held at 1."""
    found = nft(1, 3, [0.0, 9.99, 10.01])
    assert found[1] == pytest.approx(-math.exp(9.99) / 3, rel=1e-12) and found[2] == 0.0


def test_a_step_whose_groups_are_all_left_out_has_no_loss_and_no_entropy():
    spec = ObjectiveSpec(filter="accuracy_variance", entropy_coef=0.1)
    batch, members = step([0, 0], [1.0, 1.0])
    found = objective(batch, spec, plan(members, spec))
    assert (found.total.item(), found.entropy.item()) == (0.0, 0.0)


def test_one_token_that_was_copied_makes_a_hybrid():
    _, members = step([0, 0, 0], [1.0] * 3)
    members = replace(members, prefix_s=torch.tensor([0, 1, 2]))
    assert members.hybrid_s.tolist() == [False, True, True]
    assert members.pure_rollout_s.tolist() == [True, False, False]


def test_a_step_of_one_token_has_its_entropy_and_its_nll():
    spec = ObjectiveSpec(rollout=None, nll=NLL(1.0, "exp_neg_entropy"), entropy_coef=0.1)
    batch, members = step([0], [1.0], is_demonstration=True)
    found = objective(batch, spec, plan(members, spec))
    assert sequence_mean(batch.entropy_st, batch.mask_st).tolist() == [2.0] == [found.entropy.item()]
    assert found.total.item() == pytest.approx(math.exp(-2) * 1.0 - 0.1 * 2.0, rel=1e-12)
