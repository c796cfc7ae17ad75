"""Choices of the offline policy and the ratio they put on a demonstration's token (Eq. 8, 11)."""

import math

import torch
from torch import Tensor

from red.objective.spec import DemonstrationTerm


def log_offline_policy(logp: Tensor, beta: Tensor) -> Tensor:
    """log of RED's pi_offline = beta + (1 - beta) pi (Eq. 8); `beta` broadcasts against `logp`.

    In logarithms, because pi of an unlikely token underflows, and at beta = 0 the ratio would be 0 / 0.
    """
    return torch.logaddexp(beta.log(), torch.log1p(-beta) + logp)


def demonstration_ratio(logp_st: Tensor, old_logp_st: Tensor, r_group_s: Tensor, spec: DemonstrationTerm) -> Tensor:
    """(S, T) ratio pi / pi_offline before any clip. Stop-gradients are part of each method.

    ratio_one: pi. ratio_self: 1 in value, gradient of log pi. ratio_old: PSFT's pi / pi_old, `old` being the policy
    before the step. shift: pi / sg(beta + (1-beta) pi).
    shift_through: the same without the stop-gradient (the released form; vanishes at beta = 0).
    shape: LUFFY's f(pi) = pi / (pi + gamma), gradient through f. trust: TrSFT's pi / sg(max(pi, alpha)).
    mixture_is: RL-PLUS's 2 pi / (pi_old + (pi_old + 1) / 2) sg(1 - pi)^focus.
    """
    probability = logp_st.exp()
    beta = r_group_s[:, None]
    match spec.kind:
        case "ratio_one":
            return probability
        case "ratio_self":
            return (logp_st - logp_st.detach()).exp()
        case "ratio_old":
            return (logp_st - old_logp_st).exp()
        case "shift":
            return (logp_st - log_offline_policy(logp_st, beta).detach()).exp()
        case "shift_through":
            return (logp_st - log_offline_policy(logp_st, beta)).exp()
        case "shape":
            return probability / (probability + spec.gamma)
        case "trust":
            return (logp_st - logp_st.clamp(min=math.log(spec.alpha)).detach()).exp()
        case "mixture_is":
            old = old_logp_st.exp()
            # Rounding can give pi above 1.
            focus = (1 - probability.detach()).clamp(min=0) ** spec.focus
            return 2 * probability / (old + (old + 1) / 2) * focus
    raise ValueError(f"demonstration.kind {spec.kind!r} has no ratio")
