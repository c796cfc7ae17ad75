"""DFT: L = -token_mean(sg(pi) log pi) over demonstration tokens: SFT without its factor 1 / pi (arXiv 2508.05629)."""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(rollout=None, nll=NLL(coefficient=1.0, token_weight="probability")),
    mix=Mix(rollouts="none", demonstrations=1),
)
