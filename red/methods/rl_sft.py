"""RL+SFT: L = -const(r A) on rollouts + 1.0 NLL on demonstrations, no clip, no std (Eq. 5)."""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        nll=NLL(coefficient=1.0),
        aggregation=Aggregation(kind="const"),
    ),
    mix=Mix(demonstrations=1),
)
