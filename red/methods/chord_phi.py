"""CHORD-phi: constant mu = 0.1, NLL tokens weighted by sg(pi (1 - pi)) (section 9)."""

from red.methods.base import Method
from red.methods.chord_mu import ExpertBatch
from red.objective.spec import NLL, Aggregation, Mixture, ObjectiveSpec

METHOD = Method(
    objective=ObjectiveSpec(
        aggregation=Aggregation(kind="token_mean"),
        mixture=Mixture(warmup=0, decay=0, peak=0.1, valley=0.1),
        nll=NLL(token_weight="phi"),
    ),
    mix=ExpertBatch(),
)
