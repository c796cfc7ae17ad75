"""RED as stored in the authors' fork (docs/methods.md section 12.10): ratio pi, w on random samples.

Their index rule runs after a random re-draw of the buffer, so w scales a random eighth of the
members and the two entropies are of random subsets; here the entropies are the right ones (the authors' code).
"""

from red.methods.base import Method, Reward
from red.methods.red_intended import SequenceSampling
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", eps=1e-9),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        demonstration=DemonstrationTerm(kind="ratio_one", r_group_over="union"),
        weight=Weight(kind="entropy_ratio", high=7.0, target="random"),
        aggregation=Aggregation(kind="const", share=3000 / 8192),
    ),
    mix=SequenceSampling(demonstrations=1),
    reward=Reward(rule="anywhere", overlong_share=2000 / 8192),
)
