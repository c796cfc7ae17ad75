"""RED as the authors' code would be with its shift line switched on: w pi / (beta + (1 - beta) pi) A.

Gradient through the denominator, w at most 7, accuracy over all members, zero-variance groups
refilled, over-length term in the reward, constant divisor 3000.
"""

from red.methods.base import Method, Reward
from red.methods.dapo import DynamicSampling
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", eps=1e-9),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        demonstration=DemonstrationTerm(kind="shift_through", r_group_over="union"),
        weight=Weight(kind="entropy_ratio", high=7.0),
        aggregation=Aggregation(kind="const", share=3000 / 8192),
        filter="accuracy_variance",
    ),
    mix=DynamicSampling(demonstrations=1),
    reward=Reward(overlong_share=2000 / 8192),
)
