"""Dr.GRPO, LUFFY's "On-Policy RL": A = R - mean(R), constant divisor, entropy bonus 0.001 H (arXiv 2503.20783)."""

from red.methods.base import Method
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(advantage=Advantage(std=False), aggregation=Aggregation(kind="const"), entropy_coef=0.001)
)
