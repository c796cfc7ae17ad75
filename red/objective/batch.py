"""Tensors of an optimizer step, and the plan that is computed once over all of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from red.errors import RedError

MARKS = ("demonstration_s", "kept_s", "prefix_kept_s")


@dataclass(frozen=True)
class Batch:
    """S sequences of T response positions, left-aligned; any subset of an optimizer step.

    logp_st: log-probability of the realised token, live (carries the gradient).
    old_logp_st: the same under the policy that sampled it; of a demonstration, under the policy before the step.
    entropy_st: entropy of the full next-token distribution, nats.
    mask_st: 1 where the token counts.
    teacher_logp_st: log-probability of the same token under a teacher; NaN where it has none. None without a teacher.

    RedError where shapes differ, which tensors would otherwise adapt to in silence, and where old_logp_st carries a
    gradient, which would cancel that of the rollouts.
    """

    logp_st: Tensor
    old_logp_st: Tensor
    entropy_st: Tensor
    mask_st: Tensor
    teacher_logp_st: Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in _tensors(self):
            if value.dim() != 2 or value.shape != self.logp_st.shape:
                raise RedError(f"Batch.{name}: shape {_shape(value)}, logp_st {_shape(self.logp_st)}; all are (S, T)")
        if self.old_logp_st.requires_grad:
            raise RedError("Batch.old_logp_st: carries a gradient, which would cancel that of logp_st; detach() it")

    def rows(self, index: Tensor) -> "Batch":
        """The sequences selected by an index or a boolean mask."""
        return self._each(lambda value: value[index])

    def measured(self) -> "Batch":
        """Without the graph, on the CPU."""
        return self._each(lambda value: value.detach().cpu())

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: None if value is None else change(value) for name, value in values.items()}
        return Batch(**changed)


@dataclass(frozen=True)
class Members:
    """What is known of each sequence before any forward pass; all tensors have shape (S,).

    group_s: any number, equal within a group. demonstration_s: booleans. reward_s: what advantages are made of.
    accuracy_s: verdicts, 0 or 1. tokens_s: response tokens that count, end token included.
    kept_s: booleans, false where a sequence counts in its group's advantage only; None is true everywhere.
    prefix_s: how many of a hybrid's first tokens were copied from the demonstration; None is none of any sequence.
    prefix_kept_s: booleans, false where such tokens carry no loss; None is true everywhere.

    RedError on another shape, on marks that are no booleans, and on rewards and the like that are.
    """

    group_s: Tensor
    demonstration_s: Tensor
    reward_s: Tensor
    accuracy_s: Tensor
    tokens_s: Tensor
    kept_s: Tensor | None = None
    prefix_s: Tensor | None = None
    prefix_kept_s: Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in _tensors(self):
            if value.dim() != 1 or value.shape != self.group_s.shape:
                raise RedError(f"Members.{name}: shape {_shape(value)}, group_s {_shape(self.group_s)}; all are (S,)")
            if (value.dtype is torch.bool) != (name in MARKS):
                wanted = "booleans" if name in MARKS else "numbers"
                raise RedError(f"Members.{name}: expected {wanted}, found {value.dtype}")

    @property
    def hybrid_s(self) -> Tensor:
        """Booleans: sampled from a prefix on."""
        return torch.zeros_like(self.demonstration_s) if self.prefix_s is None else self.prefix_s > 0

    @property
    def pure_rollout_s(self) -> Tensor:
        """Booleans: sampled from the prompt on."""
        return ~(self.demonstration_s | self.hybrid_s)


@dataclass(frozen=True)
class Plan:
    """Quantities over the whole optimizer step (all ranks, all micro-batches), held fixed.

    advantage_s: (S,) of a sequence's sampled tokens; demonstration_advantage_s: of tokens of a demonstration, whole or
    as a prefix. r_group_s, weight_s: (S,). rollout_s, demonstration_s: (S,) booleans, the sequences that enter the two
    kinds of terms after filters and gates; a hybrid is a rollout, whose first prefix_s tokens are the demonstration's.
    wrong_s: (S,) booleans, the demonstrations that the NLL pushes down. share_s, gain_mean_s: (S,) of GVPO, a rollout's
    1 / (groups (size of its group - 1)) and the mean gain of its group. The counts are the normalisers.
    """

    advantage_s: Tensor
    demonstration_advantage_s: Tensor
    r_group_s: Tensor
    accuracy_s: Tensor
    weight_s: Tensor
    rollout_s: Tensor
    demonstration_s: Tensor
    prefix_s: Tensor
    wrong_s: Tensor
    share_s: Tensor
    gain_mean_s: Tensor
    policy_sequences: float
    policy_tokens: float
    nll_sequences: float
    nll_tokens: float
    wrong_sequences: float
    wrong_tokens: float
    tokens: float
    mu: float

    def sampled(self, mask_st: Tensor) -> Tensor:
        """(S, T): 1 on the sampled tokens in the loss."""
        return mask_st * (self.rollout_s[:, None] & ~self._of_prefix(mask_st))

    def taught(self, mask_st: Tensor) -> Tensor:
        """(S, T): 1 on the demonstrations' tokens in the loss, in whole ones and as prefixes."""
        return mask_st * (self.demonstration_s[:, None] | (self.rollout_s[:, None] & self._of_prefix(mask_st)))

    def _of_prefix(self, mask_st: Tensor) -> Tensor:
        return mask_st.cumsum(dim=1) <= self.prefix_s[:, None]

    def rows(self, index: Tensor) -> "Plan":
        """Restrict the per-sequence tensors; the normalisers stay those of the whole step."""
        return self._each(lambda value: value[index])

    def to(self, device: torch.device | str) -> "Plan":
        """The same plan on another device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Plan":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {n: change(v) for n, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **changed)


def _tensors(record: Batch | Members) -> Iterator[tuple[str, Tensor]]:
    values = ((each.name, getattr(record, each.name)) for each in fields(record))
    return ((name, value) for name, value in values if value is not None)


def _shape(value: Tensor) -> tuple[int, ...]:
    return tuple(value.shape)
