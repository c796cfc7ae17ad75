"""Group-relative advantages, and the mean accuracy of a group: r_group, the paper's beta."""

import torch
from torch import Tensor

from red.objective.batch import Batch, Members
from red.objective.spec import Advantage

FLOOR = -10.0  # of log pi_T - log pi_old: a token that the teacher rules out


def group_mean(value_s: Tensor, group_s: Tensor, member_s: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of `value` over the members of each sequence's group, and their number; both (S,).

    A group without members has mean 0 and number 0.
    """
    _, index_s = torch.unique(group_s, return_inverse=True)
    member = member_s.to(value_s.dtype)
    count, total = index_s.bincount(member), index_s.bincount(value_s * member)
    return (total / count.clamp(min=1))[index_s], count[index_s]


def of_next_group(value_s: Tensor, group_s: Tensor) -> Tensor:
    """The value (S,) of the next group of the step; the last group takes the first one's.

    Prompts stand in a random order, so this permutes a value among them without leaving one in its place.
    """
    groups, index_s = torch.unique(group_s, return_inverse=True)
    value_of_group = torch.empty_like(value_s[: len(groups)])
    value_of_group[index_s] = value_s
    return value_of_group.roll(-1)[index_s]


def teacher_gap(batch: Batch) -> Tensor:
    """(S, T): log pi_T - log pi_old of each token, not below the floor, without gradient; 0 where nobody teaches."""
    if batch.teacher_logp_st is None:
        return torch.zeros_like(batch.old_logp_st)
    gap = batch.teacher_logp_st - batch.old_logp_st
    return torch.where(gap.isnan(), 0.0, gap.clamp(min=FLOOR))


def token_advantage(batch: Batch, advantage_s: Tensor, spec: Advantage) -> Tensor:
    """(S, T) or (S, 1): the advantage of each sampled token."""
    if not spec.teacher:
        return advantage_s[:, None]
    return spec.reward * advantage_s[:, None] + spec.teacher * teacher_gap(batch)


def advantages(members: Members, spec: Advantage) -> tuple[Tensor, Tensor]:
    """(S,) of sampled tokens, and (S,) of tokens of a demonstration: R - mean, over `std + eps` (ddof 1) if asked; a
    group of one keeps A = R.

    Over "rollouts", only rollouts from the prompt form the group, demonstrations have advantage 0, and a hybrid has its
    own in its prefix alone.
    """
    inside = members.pure_rollout_s if spec.over == "rollouts" else torch.ones_like(members.demonstration_s)
    reward = members.reward_s
    mean, count = group_mean(reward, members.group_s, inside)
    centered = torch.where(count > 1, reward - mean, reward)
    if spec.std:
        squares, _ = group_mean((reward - mean).square(), members.group_s, inside)
        # Of a group of one this is NaN, and not taken.
        deviation = (squares * count / (count - 1)).sqrt()
        centered = torch.where(count > 1, centered / (deviation + spec.eps), centered)
    advantage = torch.where(inside, centered, torch.zeros_like(centered))
    return advantage, torch.where(members.hybrid_s, centered, advantage)
