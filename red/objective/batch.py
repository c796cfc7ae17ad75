"""Tensors of an optimizer step, and the plan that is computed once over all of it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """S sequences of T response positions, left-aligned; any subset of an optimizer step.

    logp_st: log-probability of the realised token, live (carries the gradient).
    old_logp_st: the same under the policy that sampled it; of a demonstration, under the policy before the step.
    entropy_st: entropy of the full next-token distribution, nats.
    mask_st: 1 where the token counts.
    """

    logp_st: Tensor
    old_logp_st: Tensor
    entropy_st: Tensor
    mask_st: Tensor

    def rows(self, index: Tensor) -> "Batch":
        """The sequences selected by an index or a boolean mask."""
        return Batch(*(getattr(self, f.name)[index] for f in fields(self)))

    def measured(self) -> "Batch":
        """Without the graph, on the CPU."""
        return Batch(*(getattr(self, f.name).detach().cpu() for f in fields(self)))


@dataclass(frozen=True)
class Members:
    """What is known of each sequence before any forward pass; all tensors have shape (S,).

    kept_s: booleans, false where a sequence counts in its group's advantage only; None is true everywhere.
    """

    group_s: Tensor
    demonstration_s: Tensor
    reward_s: Tensor
    accuracy_s: Tensor
    tokens_s: Tensor
    kept_s: Tensor | None = None


@dataclass(frozen=True)
class Plan:
    """Quantities over the whole optimizer step (all ranks, all micro-batches), held fixed.

    advantage_s, r_group_s, weight_s: (S,). rollout_s, demonstration_s: (S,) booleans, the sequences that
    enter the two kinds of terms after filters and gates. The four counts are the normalisers.
    """

    advantage_s: Tensor
    r_group_s: Tensor
    accuracy_s: Tensor
    weight_s: Tensor
    rollout_s: Tensor
    demonstration_s: Tensor
    policy_sequences: float
    policy_tokens: float
    nll_sequences: float
    nll_tokens: float
    tokens: float
    mu: float

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
