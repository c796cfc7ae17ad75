"""How noisy the two gradients of a mixture are, and how far apart: what GAC moves CHORD's mu by (arXiv 2605.26184)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from red.objective.aggregate import sequence_mean
from red.objective.batch import Batch, Plan
from red.objective.loss import nll_weight
from red.objective.spec import NLL

TRIMMED = 0.1
FEWEST = 4  # below which nothing is trimmed


@dataclass(frozen=True)
class Noise:
    """Of one update.

    `rollout`: variance of A over rollouts. `demonstration`: variance over demonstrations of the mean NLL, a tenth (one
    at least) trimmed on both sides. `gap`: mean over sequences of the token mean of the squared difference between two
    coefficients on grad log pi, the NLL's weight on every token and A on those of rollouts.
    """

    rollout: float
    demonstration: float
    gap: float


def gradient_noise(batch: Batch, nll: NLL, plan: Plan) -> Noise | None:
    """Of an update, from the pass before it; None without rollouts or without demonstrations."""
    rollout_s, demonstration_s = plan.rollout_s, plan.demonstration_s
    if not (rollout_s.any() and demonstration_s.any()):
        return None
    nll_s = -sequence_mean(batch.logp_st.detach(), batch.mask_st)[demonstration_s]
    of_rollouts = torch.where(rollout_s, plan.advantage_s, torch.zeros_like(plan.advantage_s))
    gap_s = sequence_mean((nll_weight(batch, nll) - of_rollouts[:, None]).square(), batch.mask_st)
    return Noise(
        _variance(plan.advantage_s[rollout_s]),
        _variance(_trimmed(nll_s)),
        gap_s[rollout_s | demonstration_s].mean().item(),
    )


def _trimmed(values: Tensor) -> Tensor:
    count = len(values)
    cut = max(1, int(TRIMMED * count)) if count >= FEWEST else 0
    return values.sort().values[cut : count - cut]


def _variance(values: Tensor) -> float:
    return values.var(correction=0).item()
