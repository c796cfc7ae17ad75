"""`plan` over the whole optimizer step, then `objective` on all of it or on any part."""

from dataclasses import dataclass

import torch
from torch import Tensor

from red.objective.advantage import advantages, group_mean, of_next_group
from red.objective.aggregate import sequence_mean, token_factor
from red.objective.batch import Batch, Members, Plan
from red.objective.offline import offline_ratio
from red.objective.spec import NLL, Aggregation, ObjectiveSpec, Online


@dataclass(frozen=True)
class Loss:
    """Scalar terms of the minimised loss; `total` is their sum with coefficients applied."""

    total: Tensor
    online: Tensor
    offline: Tensor
    nll: Tensor
    entropy: Tensor

    def values(self) -> dict[str, float]:
        """The terms as numbers, by name."""
        return {n: getattr(self, n).item() for n in Loss.__dataclass_fields__}


def plan(
    members: Members, spec: ObjectiveSpec, weight: float = 1.0, mu: float | None = None, random_s: Tensor | None = None
) -> Plan:
    """Advantages, r_group, filters, gates and normalisers over all sequences of a step.

    `weight` is this step's w, `mu` CHORD's mixture (None: no mixture). `random_s` marks the
    sequences that carry w when `spec.weight.target` is "random".
    """
    is_offline = members.offline_s
    accuracy, rollouts = group_mean(members.accuracy_s, members.group_s, ~is_offline)
    union, _ = group_mean(members.accuracy_s, members.group_s, torch.ones_like(is_offline))
    kept = torch.ones_like(is_offline)
    if spec.filter == "accuracy_variance":
        varied = union if spec.offline.kind != "none" else accuracy
        kept = (varied > 0) & (varied < 1)
    online, offline = kept & ~is_offline, kept & is_offline
    if spec.gate is not None:
        solved = accuracy > spec.gate
        online, offline = online & solved, offline & ~solved
    if spec.online is None:
        online = torch.zeros_like(online)
    in_policy = online | offline if spec.offline.kind != "none" else online
    weighted = is_offline if random_s is None else random_s
    r_group = union if spec.offline.r_group_over == "union" else accuracy
    if spec.offline.r_group_over == "next_group":
        r_group = of_next_group(accuracy, members.group_s)
    ones = torch.ones_like(members.reward_s)
    return Plan(
        advantage_s=advantages(members, spec.advantage),
        r_group_s=r_group,
        accuracy_s=members.accuracy_s,
        weight_s=torch.where(weighted, ones * weight, ones),
        online_s=online,
        offline_s=offline,
        policy_sequences=float(in_policy.sum()),
        policy_tokens=float(members.tokens_s[in_policy].sum()),
        nll_sequences=float(offline.sum()),
        nll_tokens=float(members.tokens_s[offline].sum()),
        tokens=float(members.tokens_s[online | offline].sum()),
        mu=0.0 if mu is None else mu,
    )


def objective(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Loss:
    """Loss (section 13.2) of the sequences in `batch`; losses of a partition add up exactly.

    An empty term is 0, never NaN.
    """
    online = _online_term(batch, spec, plan)
    offline = _offline_term(batch, spec, plan)
    nll = _nll_term(batch, spec.nll, plan)
    counted = batch.mask_st * (plan.online_s | plan.offline_s)[:, None]
    entropy = (batch.entropy_st * counted).sum() / max(plan.tokens, 1.0)
    nll_coefficient = plan.mu if spec.mixture is not None else spec.nll.coefficient
    total = (1 - plan.mu) * online + offline + nll_coefficient * nll
    if spec.entropy_coef:
        total = total - spec.entropy_coef * entropy
    return Loss(total, online, offline, nll, entropy)


def _online_term(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Tensor:
    if spec.online is None:
        return batch.logp_st.sum() * 0
    mask = batch.mask_st * plan.online_s[:, None]
    factor = token_factor(mask, plan.policy_sequences, plan.policy_tokens, spec.aggregation)
    factor = factor * plan.weight_s[:, None]
    gain = _online_gain(batch, spec.online, plan)
    return -(factor * gain).sum()


def _online_gain(batch: Batch, spec: Online, plan: Plan) -> Tensor:
    if spec.kind == "logp_signed":
        entropy_s = sequence_mean(batch.entropy_st.detach(), batch.mask_st)
        right = spec.scale * entropy_s.exp()
        sign = torch.where(plan.accuracy_s > 0, right, -torch.ones_like(right))
        return sign[:, None] * batch.logp_st
    # Rows of demonstrations are masked out; a zero there keeps exp() from overflowing.
    difference = torch.where(plan.online_s[:, None], batch.logp_st - batch.old_logp_st, torch.zeros_like(batch.logp_st))
    ratio = difference.exp()
    advantage = plan.advantage_s[:, None]
    if spec.clip_low is None or spec.clip_high is None:
        return ratio * advantage
    clipped = ratio.clamp(1 - spec.clip_low, 1 + spec.clip_high)
    return torch.minimum(ratio * advantage, clipped * advantage)


def _offline_term(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Tensor:
    if spec.offline.kind == "none":
        return batch.logp_st.sum() * 0
    mask = batch.mask_st * plan.offline_s[:, None]
    factor = token_factor(mask, plan.policy_sequences, plan.policy_tokens, spec.aggregation)
    ratio = offline_ratio(batch.logp_st, plan.r_group_s, spec.offline)
    return -(factor * ratio * (plan.weight_s * plan.advantage_s)[:, None]).sum()


def _nll_term(batch: Batch, spec: NLL, plan: Plan) -> Tensor:
    mask = batch.mask_st * plan.offline_s[:, None]
    aggregation = Aggregation(kind=spec.aggregation)
    factor = token_factor(mask, plan.nll_sequences, plan.nll_tokens, aggregation)
    return -(factor * _nll_weight(batch, spec) * batch.logp_st).sum()


def _nll_weight(batch: Batch, spec: NLL) -> Tensor:
    probability = batch.logp_st.detach().exp()
    match spec.token_weight:
        case "one":
            return torch.ones_like(probability)
        case "phi":
            return probability * (1 - probability)
        case "probability":
            return probability
        case "exp_neg_entropy":
            entropy_s = sequence_mean(batch.entropy_st.detach(), batch.mask_st)
            return (-entropy_s).exp()[:, None].expand_as(probability)
    raise ValueError(f"unknown NLL token weight {spec.token_weight!r}")
