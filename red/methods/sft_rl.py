"""The RL of SFT→RL: L = -token_mean(min(r A, clip(r, 0.8, 1.28) A)), A = R - mean(R) (arXiv 2604.23747).

A run starts it from an SFT checkpoint (`init_from: sft`). Neither KL nor entropy bonus, no deviation, no filter.
"""

from red.methods.base import Method
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        rollout=RolloutTerm(clip_low=0.2, clip_high=0.28),
        aggregation=Aggregation(kind="token_mean"),
    )
)
