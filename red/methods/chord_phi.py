"""CHORD-phi: L = 0.9 L_GRPO + 0.1 L_SFT, each NLL token weighted by sg(pi (1 - pi)) (arXiv 2508.11408)."""

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
