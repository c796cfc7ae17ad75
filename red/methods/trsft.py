"""TrSFT: L = -token_mean(pi / sg(max(pi, 0.1))) over demonstration tokens: SFT in a trust region (arXiv 2512.17636).

The coefficient on grad log pi is 1 where pi is at least 0.1, and pi / 0.1 below: TRAPO's term on demonstrations, alone.
"""

from red.methods.base import Method, Mix
from red.objective.spec import Aggregation, DemonstrationTerm, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(
        rollout=None,
        demonstration=DemonstrationTerm(kind="trust", alpha=0.1, advantage="one"),
        aggregation=Aggregation(kind="token_mean"),
    ),
    mix=Mix(rollouts="none", demonstrations=1),
)
