"""`red.objective` in the place of OpenRLHF's policy loss."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from openrlhf.models.utils import compute_entropy
from torch import Tensor

from red.objective.batch import Batch, Plan
from red.objective.loss import Loss, objective
from red.objective.spec import ObjectiveSpec


@dataclass(frozen=True)
class RankUpdate:
    """What every rank must know of one update; rows of micro-batches index into `plan`.

    `on_policy`: the policy itself is the old policy, so ratios are 1 in value.
    """

    spec: ObjectiveSpec
    plan: Plan
    on_policy: bool
    lr: float
    clip: float
    moments: str
    seed: int
    largest_norm: float


@dataclass(frozen=True)
class RankResult:
    """What one rank saw: live log-probabilities of each of its rows, and its part of the loss terms.

    `norm` is that of the whole gradient before clipping, None if the update was left out.
    """

    logp: dict[int, Tensor]
    terms: dict[str, float]
    norm: float | None


class ObjectiveLoss(torch.nn.Module):
    """Called by OpenRLHF's training step once per micro-batch, in the place of its `PolicyLoss`.

    The plan counts over all ranks and micro-batches, so parts of the loss add up. DeepSpeed averages
    gradients over ranks, hence the factor `dp_size`; it does not divide by the number of micro-batches,
    because `ObjectiveTrainer` sets accumulation boundaries itself.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.update: RankUpdate | None = None
        self.rows: Tensor | None = None
        self.entropy: Tensor | None = None

    def begin(self, update: RankUpdate) -> None:
        """Forget the last update."""
        self.update = update
        self.logp: dict[int, Tensor] = {}
        self.terms = dict.fromkeys((f.name for f in fields(Loss)), 0.0)

    def observe(self, _module: torch.nn.Module, _inputs: tuple[Any, ...], result: Any) -> None:
        """Forward hook on the policy: keeps the entropies of the pass whose loss comes next."""
        output = result[1] if isinstance(result, tuple) else None
        has_entropy = getattr(output, "entropy", None) is not None
        self.entropy = entropy_of(output, self.temperature) if has_entropy else None

    def forward(
        self,
        log_probs: Tensor,
        old_log_probs: Tensor,
        advantages: Tensor | None,
        action_mask: Tensor,
        rollout_log_probs: Tensor | None = None,
        dp_size: int = 1,
        **_norms: Any,
    ) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """(B, A) tensors, where A are the positions of tokens 1..T-1; masked ones are prompt or padding."""
        assert self.update is not None and self.rows is not None
        mask = action_mask.to(log_probs.dtype)
        entropy = torch.zeros_like(log_probs) if self.entropy is None else self.entropy
        old = log_probs.detach() if self.update.on_policy else old_log_probs
        batch = Batch(log_probs, old, entropy[:, -mask.shape[1] :] * mask, mask)
        loss = objective(batch, self.update.spec, self.update.plan.rows(self.rows.cpu()).to(log_probs.device))
        self._record(self.rows, loss, log_probs.detach(), mask)
        self.entropy = None
        zero = torch.zeros((), device=log_probs.device)
        return loss.total * dp_size, zero, zero, None, None

    def _record(self, rows: Tensor, loss: Loss, logp: Tensor, mask: Tensor) -> None:
        for name, value in loss.values().items():
            self.terms[name] += value
        for row, values, counted in zip(rows.tolist(), logp.cpu(), mask.bool().cpu(), strict=True):
            if counted.any():
                self.logp[row] = values[counted]


def entropy_of(output: Any, temperature: float) -> Tensor:
    """(B, T-1) entropies at temperature 1; OpenRLHF's own are those of the logits it has scaled."""
    if temperature == 1.0:
        return output.entropy
    return compute_entropy(output["logits"] * temperature)[:, :-1]


def needs_entropy(spec: ObjectiveSpec) -> bool:
    """Whether a term of the loss reads entropies; they cost memory under gradient."""
    signed = spec.rollout is not None and spec.rollout.kind == "logp_signed"
    weighted = spec.nll.token_weight == "exp_neg_entropy" or spec.demonstration.top_entropy < 1
    return spec.entropy_coef != 0 or signed or weighted
