"""SuperRL: GRPO where a rollout is right, the demonstration's NLL where none is (arXiv 2506.01096, its second version).

L = token_mean(clipped surrogate, prompts with a right rollout) + NLL(others).
"""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, Aggregation, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(nll=NLL(coefficient=1.0), aggregation=Aggregation(kind="token_mean"), gate=0.0),
    mix=Mix(rollouts="all", demonstrations=1),
)
