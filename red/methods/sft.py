"""SFT: L = -token_mean(log pi) over demonstration tokens, EOS included (Eq. 4)."""

from red.methods.base import Method, Mix
from red.objective.spec import NLL, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(rollout=None, nll=NLL(coefficient=1.0)), mix=Mix(rollouts="none", demonstrations=1)
)
