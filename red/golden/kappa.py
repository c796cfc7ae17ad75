"""Kappa: the coefficient on A grad log pi of a demonstration's token at the first update of a step, by method."""

from dataclasses import replace

import torch

from red.methods import method
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan
from red.objective.spec import Aggregation, ObjectiveSpec

COLUMNS = {
    "sft": "sft",
    "dft": "dft",
    "trsft_0.1": "trsft",
    "shape_0.1": "luffy",
    "phi": "chord_phi",
    "rlplus": "rl_plus",
    "shift_0.125": "red",
    "prefix_rft_kept": "prefix_rft",
}


def kappas(pi: float) -> dict[str, float]:
    """Of one token of probability `pi`, alone in its group, so that A = 1; RED's for a group of accuracy 1/8."""
    return {column: kappa(method(name).objective, pi) for column, name in COLUMNS.items()}


def kappa(spec: ObjectiveSpec, pi: float, r_group: float = 0.125) -> float:
    """Minus the derivative of the loss of this one token by its log-probability."""
    one = torch.ones(1, dtype=torch.float64)
    logp = (one * pi).log()[None].requires_grad_()
    batch = Batch(logp, logp.detach(), torch.zeros_like(logp), torch.ones_like(logp))
    members = Members(torch.zeros(1), one.bool(), one, one, one)
    spec = replace(spec, aggregation=Aggregation("token_mean"))
    whole = plan(members, spec, mu=1.0 if spec.mixture else None)
    loss = objective(batch, spec, replace(whole, r_group_s=one * r_group))
    return -torch.autograd.grad(loss.total, logp)[0].item()
