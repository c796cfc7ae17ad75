"""`red.objective` in the place of OpenRLHF's policy loss."""

from dataclasses import dataclass, fields

import torch
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
    """What one rank saw: live log-probabilities and entropies (2, n) of each of its rows, its part of the loss terms.

    `norm` is that of the whole gradient before clipping, None if the update was left out.
    """

    rows: dict[int, Tensor]
    terms: dict[str, float]
    norm: float | None


class ObjectiveLoss:
    """The loss of one rank's micro-batches, and what the controller asks of them afterwards.

    The plan counts over all ranks and micro-batches, so parts of the loss add up. DeepSpeed averages
    gradients over ranks, hence the factor `ranks`; it does not divide by the number of micro-batches,
    because `ObjectiveTrainer` sets accumulation boundaries itself.
    """

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks
        self.update: RankUpdate | None = None

    def begin(self, update: RankUpdate) -> None:
        """Forget the last update."""
        self.update = update
        self.rows: dict[int, Tensor] = {}
        self.terms = dict.fromkeys((f.name for f in fields(Loss)), 0.0)

    def __call__(
        self, rows: Tensor, logp: Tensor, entropy: Tensor, old: Tensor, mask: Tensor, teacher: Tensor | None
    ) -> Tensor:
        """Of one micro-batch: (B, A) tensors, where A are the positions of tokens 1..T-1; masked ones are prompt or
        padding. `rows` (B,) leads to the plan."""
        assert self.update is not None
        batch = Batch(logp, logp.detach() if self.update.on_policy else old, entropy, mask.to(logp.dtype), teacher)
        loss = objective(batch, self.update.spec, self.update.plan.rows(rows).to(logp.device))
        self._record(rows, loss, torch.stack([logp.detach(), entropy.detach()], 1).cpu(), mask.bool().cpu())
        return loss.total * self.ranks

    def _record(self, rows: Tensor, loss: Loss, values: Tensor, counted: Tensor) -> None:
        for name, value in loss.values().items():
            self.terms[name] += value
        for row, of_row, places in zip(rows.tolist(), values, counted, strict=True):
            if places.any():
                self.rows[row] = of_row[:, places]
