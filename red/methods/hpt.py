"""HPT: a prompt whose group accuracy is at most the gate learns its demonstration instead (arXiv 2509.04419).

L = L_RL(solved prompts) + 0.3 NLL(others); a switched prompt keeps only its demonstration.
"""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        nll=NLL(coefficient=0.3),
        aggregation=Aggregation(kind="const"),
        entropy_coef=0.001,
        gate=0.0,
    ),
    mix=Mix(rollouts="all", demonstrations=1),
)
