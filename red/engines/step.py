"""The sequences of one update, with the plan of the whole step and one forward pass over them."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass

import torch
from torch import Tensor

from red.engines.policy import forward
from red.methods.base import Group, Sequence
from red.models.qwen2 import Qwen2
from red.objective.batch import Batch, Members, Plan
from red.objective.loss import plan
from red.objective.spec import ObjectiveSpec


@dataclass(frozen=True)
class Pass:
    """(S, T) tensors of one teacher-forced pass; `logp` and `entropy` carry the graph."""

    logp: Tensor
    entropy: Tensor
    mask: Tensor

    def measured(self) -> "Pass":
        """Without the graph, on the CPU."""
        return Pass(self.logp.detach().cpu(), self.entropy.detach().cpu(), self.mask.cpu())

    def batch(self, old: "Pass | None" = None) -> Batch:
        """As the objective's input; without `old`, this pass is the old policy."""
        return Batch(self.logp, (old or self).logp.detach(), self.entropy, self.mask)


@dataclass(frozen=True)
class UpdateStep:
    """Planned over all members, restricted to those that a term uses: the rest cost no forward."""

    sequences: list[Sequence]
    members: Members
    plan: Plan

    @classmethod
    def of(
        cls,
        groups: Seq[Group],
        spec: ObjectiveSpec,
        weight: float = 1.0,
        mu: float | None = None,
        random_s: Tensor | None = None,
        device: str | torch.device = "cpu",
    ) -> "UpdateStep":
        """`random_s` marks the members that carry w when the schedule's target is random."""
        sequences = [s for g in groups for s in g.members]
        members = members_of(groups, device)
        whole = plan(members, spec, weight, mu, None if random_s is None else random_s.to(device))
        used = whole.online_s | whole.offline_s
        kept = [s for s, use in zip(sequences, used.tolist(), strict=True) if use]
        names = Members.__dataclass_fields__
        return cls(kept, Members(*(getattr(members, n)[used] for n in names)), whole.rows(used))

    def forward(self, model: Qwen2, temperature: float, tokens_per_forward: int) -> Pass:
        """One pass over the kept sequences."""
        return Pass(*forward(model, self.sequences, temperature, tokens_per_forward))


def members_of(groups: Seq[Group], device: str | torch.device = "cpu") -> Members:
    """What is known of each member before any forward pass, in group order."""
    sequences = [s for g in groups for s in g.members]
    return Members(
        group_s=torch.tensor([i for i, g in enumerate(groups) for _ in g.members], device=device),
        offline_s=torch.tensor([s.offline for s in sequences], device=device),
        reward_s=torch.tensor([s.reward for s in sequences], device=device),
        accuracy_s=torch.tensor([s.accuracy for s in sequences], device=device),
        tokens_s=torch.tensor([float(len(s.response)) for s in sequences], device=device),
    )
