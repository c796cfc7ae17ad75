"""MixPolicy: one demonstration in the group, offline ratio pi / 1, never clipped (Eq. 7, section 4)."""

from red.methods.base import Method, Mix
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, Offline

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union"), offline=Offline(kind="ratio_one"), aggregation=Aggregation(kind="const")
    ),
    mix=Mix(demonstrations=1),
)
