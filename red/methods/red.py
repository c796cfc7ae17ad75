"""RED: demonstration token w * pi / sg(beta + (1 - beta) pi) * A, beta = the group's accuracy (Eq. 8-14).

w is the ratio of entropy changes, demonstrations over rollouts, clipped to [1, G]; w of step 0 is 1.
RED(I) is this with demonstration.kind ratio_one; RED(II) with a constant w = 1.
"""

from red.methods.base import Method, Mix
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, Weight

METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union"),
        demonstration=DemonstrationTerm(kind="shift"),
        weight=Weight(kind="entropy_ratio", window=1, low=1.0, high=8.0),
        aggregation=Aggregation(kind="const"),
    ),
    mix=Mix(demonstrations=1),
)
