"""GPG: L = -token_mean(r A), A = R - mean(R), over groups with right and wrong answers (arXiv 2504.02546).

No clip, no deviation. Its code takes log pi for r, which has the same gradient at one update per rollout. It multiplies
the loss by B / (B - M), for M of B samples in groups of equal rewards: here the divisor counts kept tokens only. And it
samples on until 60 % of a step are informative: here until all are, in at most six rounds.
"""

from red.methods.base import Method
from red.methods.dapo import DynamicSampling
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="token_mean"),
        filter="accuracy_variance",
    ),
    mix=DynamicSampling(),
)
