"""LUFFY: demonstration token f(pi) A with f(x) = x / (x + 0.1), gradient through f (arXiv 2504.14945).

Loss of the released code (no std, constant divisor, entropy bonus 0.001) with the common clip.
"""

from red.methods.base import Method, Mix
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", std=False),
        demonstration=DemonstrationTerm(kind="shape", gamma=0.1),
        aggregation=Aggregation(kind="const"),
        entropy_coef=0.001,
    ),
    mix=Mix(demonstrations=1),
)
