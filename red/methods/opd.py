"""OPD, on-policy distillation: a rollout's token has A = log pi_T - log pi_old, pi_T a teacher's (tinker-cookbook).

L = -token_mean(r A): a sample of minus the reverse KL to the teacher, token by token, without effect on later tokens.
No reward, no demonstration; the teacher must have the policy's tokenizer.
"""

from red.methods.base import Method, Teacher
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(reward=0.0, teacher=1.0),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="token_mean"),
    ),
    teacher=Teacher(who="model"),
)
