"""Means over groups, by numbers worked out by hand."""

import pytest
import torch

from red.objective.advantage import advantages, group_mean, of_next_group, teacher_gap, token_advantage
from red.objective.batch import Batch, Members
from red.objective.spec import Advantage

GROUPS = torch.tensor([7, 7, 7, 2, 2])


def test_means_are_over_the_members_of_a_group():
    value, member = torch.tensor([1.0, 2.0, 6.0, 5.0, 9.0]), torch.tensor([True, True, False, True, True])
    mean, count = group_mean(value, GROUPS, member)
    assert mean.tolist() == [1.5, 1.5, 1.5, 7, 7]
    assert count.tolist() == [2, 2, 2, 2, 2]


def test_the_mean_of_one_is_its_value():
    mean, count = group_mean(torch.tensor([5.0, 3.0]), torch.tensor([0, 1]), torch.tensor([True, True]))
    assert (mean.tolist(), count.tolist()) == ([5.0, 3.0], [1, 1])


def test_a_group_without_members_has_mean_0_and_number_0():
    mean, count = group_mean(torch.ones(5), GROUPS, torch.tensor([False, False, False, True, True]))
    assert mean.tolist() == [0, 0, 0, 1, 1]
    assert count.tolist() == [0, 0, 0, 2, 2]


def test_a_teacher_is_heard_down_to_the_floor_and_silent_where_it_has_no_opinion():
    old, zero = torch.tensor([[-1.0, -2.0, -0.5], [-1.0, -1.0, -1.0]]), torch.zeros(2, 3)
    told = torch.tensor([[-0.5, -12.0, -10.5], [torch.nan, -torch.inf, -1.5]])
    batch = Batch(old, old, zero, torch.ones(2, 3), told)
    assert teacher_gap(batch).tolist() == [[0.5, -10, -10], [0, -10, -0.5]]
    both = token_advantage(batch, torch.tensor([2.0, -4.0]), Advantage(reward=0.5, teacher=0.1))
    assert torch.allclose(both, torch.tensor([[1.05, 0.0, 0.0], [-2.0, -3.0, -2.05]]))
    alone = Batch(old, old, zero, torch.ones(2, 3))
    assert not teacher_gap(alone).any()
    assert token_advantage(alone, torch.tensor([2.0, -4.0]), Advantage()).tolist() == [[2.0], [-4.0]]


def test_no_sequences_have_no_means():
    empty = torch.zeros(0)
    assert [len(part) for part in group_mean(empty, empty.long(), empty.bool())] == [0, 0]


def test_the_next_group_is_that_of_the_next_number_and_after_the_last_comes_the_first():
    group = torch.tensor([4, 4, 1, 1, 9])
    assert of_next_group(torch.tensor([40.0, 40, 10, 10, 90]), group).tolist() == [90, 90, 40, 40, 10]


@pytest.mark.parametrize("std", [True, False])
def test_a_group_of_one_keeps_its_reward(std):
    members = Members(
        group_s=torch.tensor([0, 1, 1]),
        demonstration_s=torch.tensor([False, False, True]),
        reward_s=torch.tensor([0.75, 1.0, 0.25]),
        accuracy_s=torch.ones(3),
        tokens_s=torch.ones(3),
    )
    tiny = 1e-12
    assert [found.tolist() for found in advantages(members, Advantage("rollouts", std, tiny))] == [[0.75, 1.0, 0.0]] * 2
    # Half the difference, over the deviation with n - 1, which is the difference over the root of two.
    half = 0.5**0.5 if std else 0.375
    for found in advantages(members, Advantage("union", std, tiny)):
        assert found.tolist() == pytest.approx([0.75, half, -half])


def test_a_hybrid_is_compared_with_the_rollouts_in_its_prefix_or_with_all_members():
    """Rewards 1, 0, 0 of rollouts, 1 of the hybrid: means of a third and of a half."""
    members = Members(
        group_s=torch.zeros(4),
        demonstration_s=torch.zeros(4, dtype=torch.bool),
        reward_s=torch.tensor([1.0, 0.0, 0.0, 1.0]),
        accuracy_s=torch.ones(4),
        tokens_s=torch.ones(4),
        prefix_s=torch.tensor([0, 0, 0, 2]),
    )
    sampled, of_prefix = advantages(members, Advantage("rollouts", std=False))
    assert sampled.tolist() == pytest.approx([2 / 3, -1 / 3, -1 / 3, 0])
    assert of_prefix.tolist() == pytest.approx([2 / 3, -1 / 3, -1 / 3, 2 / 3])
    for found in advantages(members, Advantage("union", std=False)):
        assert found.tolist() == [0.5, -0.5, -0.5, 0.5]
