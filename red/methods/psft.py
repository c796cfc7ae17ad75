"""PSFT: L = -token_mean(min(r, clip(r, 0.8, 1.28))) over demonstration tokens, r = pi / pi_old (arXiv 2508.17784).

The first update after the old policy is SFT's, so a run needs several updates per step.
"""

from red.methods.base import Method, Mix
from red.objective.spec import Aggregation, DemonstrationTerm, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(
        rollout=None,
        demonstration=DemonstrationTerm(kind="ratio_old", clip_low=0.2, clip_high=0.28, advantage="one"),
        aggregation=Aggregation(kind="token_mean"),
    ),
    mix=Mix(rollouts="none", demonstrations=1),
)
