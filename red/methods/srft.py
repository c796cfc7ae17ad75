"""SRFT: entropy-weighted NLL and ratio pi/1 on demonstrations, signed log pi on rollouts (arXiv 2506.19767).

L = 0.5 sg(e^-H) NLL - pi A on demonstrations, -0.1 sg(e^H) log pi on right rollouts, log pi on wrong ones.
Minimising log pi of wrong rollouts is unbounded below; the trainer stops a run whose mean log pi
of wrong rollouts stays under -6 for 5 steps.
"""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union"),
        rollout=RolloutTerm(kind="logp_signed", scale=0.1),
        demonstration=DemonstrationTerm(kind="ratio_one"),
        nll=NLL(coefficient=0.5, token_weight="exp_neg_entropy"),
        aggregation=Aggregation(kind="const"),
    ),
    mix=Mix(demonstrations=1),
)
