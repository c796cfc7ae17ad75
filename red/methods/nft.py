"""NFT: w log R on right rollouts, w log((1 - r R) / (1 - r)) on wrong ones, R = pi / pi_old (arXiv 2505.18116).

r is the group's accuracy and w = 1 - r; the second logarithm is at least 0 in value, and only there. At one update per
rollout the gradient is Dr.GRPO's without clip, so a run wants several.
"""

from red.methods.base import Method
from red.objective.spec import Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        rollout=RolloutTerm(kind="nft", clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="const"),
        filter="accuracy_variance",
    )
)
