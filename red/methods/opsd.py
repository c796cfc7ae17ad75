"""OPSD: on-policy distillation from oneself, who has seen the demonstration (arXiv 2601.18734).

L = -token_mean(r A), A = log pi_0(token | prompt, demonstration, prompt) - log pi_old(token | prompt), pi_0 the policy
before training. The demonstration is context, never learned. This is the sampled form of its source, whose main loss
compares whole distributions.
"""

from red.methods.base import Method, Teacher
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, RolloutTerm

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(reward=0.0, teacher=1.0),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="token_mean"),
    ),
    teacher=Teacher(who="itself"),
)
