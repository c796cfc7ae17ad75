"""SRFT: entropy-weighted NLL and ratio pi/1 on demonstrations, signed log pi on rollouts (section 6).

Minimising log pi of wrong rollouts is unbounded below; the trainer stops a run whose mean log pi
of wrong rollouts stays under -6 (section 6.5).
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
