"""RL-PLUS: demonstration token 2 pi / (pi_old + (pi_old + 1) / 2) sg(1 - pi)^0.5 A (arXiv 2508.00222).

The released code: rollouts without clip, 1 for the probability of the unknown expert (the paper: a uniform choice), and
no deviation (the paper: with one).
"""

from red.methods.base import Method, Mix
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        demonstration=DemonstrationTerm(kind="mixture_is", focus=0.5),
        aggregation=Aggregation(kind="const"),
        entropy_coef=0.001,
    ),
    mix=Mix(demonstrations=1),
)
