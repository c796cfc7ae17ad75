"""Dr.GRPO, LUFFY's "On-Policy RL": no std, constant divisor, small entropy bonus (section 2.4)."""

from red.methods.base import Method
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(advantage=Advantage(std=False), aggregation=Aggregation(kind="const"), entropy_coef=0.001)
)
