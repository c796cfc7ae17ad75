"""MixPolicy: one demonstration in the group, its ratio pi / 1, never clipped (Eq. 7)."""

from red.methods.base import Method, Mix
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union"),
        demonstration=DemonstrationTerm(kind="ratio_one"),
        aggregation=Aggregation(kind="const"),
    ),
    mix=Mix(demonstrations=1),
)
