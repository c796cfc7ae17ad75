"""GVPO: the change of log pi is fitted to the rewards, both against their means of the group (arXiv 2504.19599).

L = mean over groups of sum_i ((b_i - mean b) - (R_i - mean R))^2 / (2 (G - 1)), b_i = 0.1 sum_t log(pi / pi_old). At
the first update b is 0 and the gradient is Dr.GRPO's with sums over tokens. mean b is held fixed: a group's residuals
add up to 0, so the gradient is the same.
"""

from red.methods.base import Method
from red.objective.spec import Advantage, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False), rollout=RolloutTerm(kind="gvpo", clip_low=None, clip_high=None, beta=0.1)
    )
)
