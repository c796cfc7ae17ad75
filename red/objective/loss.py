"""`plan` over the whole optimizer step, then `objective` on all of it or on any part."""

from dataclasses import dataclass

import torch
from torch import Tensor

from red.objective.advantage import advantages, group_mean, of_next_group
from red.objective.aggregate import sequence_mean, token_factor
from red.objective.batch import Batch, Members, Plan
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import NLL, Aggregation, ObjectiveSpec, RolloutTerm


@dataclass(frozen=True)
class Loss:
    """Scalar terms of the minimised loss; `total` is their sum with coefficients applied."""

    total: Tensor
    rollout: Tensor
    demonstration: Tensor
    nll: Tensor
    entropy: Tensor

    def values(self) -> dict[str, float]:
        """The terms as numbers, by name."""
        return {n: getattr(self, n).item() for n in Loss.__dataclass_fields__}


def roles(members: Members, spec: ObjectiveSpec) -> tuple[Tensor, Tensor]:
    """(S,) booleans: the rollouts and the demonstrations that enter the loss, after filters and gates."""
    accuracy, union = _accuracies(members)
    kept = torch.ones_like(members.demonstration_s) if members.kept_s is None else members.kept_s
    if spec.filter == "accuracy_variance":
        varied = union if spec.demonstration.kind != "none" else accuracy
        kept = kept & (varied > 0) & (varied < 1)
    rollout, demonstration = kept & ~members.demonstration_s, kept & members.demonstration_s
    if spec.gate is not None:
        solved = accuracy > spec.gate
        rollout, demonstration = rollout & solved, demonstration & ~solved
    if spec.rollout is None:
        rollout = torch.zeros_like(rollout)
    return rollout, demonstration


def _accuracies(members: Members) -> tuple[Tensor, Tensor]:
    """(S,) accuracy of each sequence's group: of its rollouts, and of all its members."""
    rollouts, _ = group_mean(members.accuracy_s, members.group_s, ~members.demonstration_s)
    union, _ = group_mean(members.accuracy_s, members.group_s, torch.ones_like(members.demonstration_s))
    return rollouts, union


def plan(
    members: Members, spec: ObjectiveSpec, weight: float = 1.0, mu: float | None = None, random_s: Tensor | None = None
) -> Plan:
    """Advantages, r_group, filters, gates and normalisers over all sequences of a step.

    `weight` is this step's w, `mu` CHORD's mixture (None: no mixture). `random_s` marks the
    sequences that carry w when `spec.weight.target` is "random".
    """
    is_demonstration = members.demonstration_s
    accuracy, union = _accuracies(members)
    rollout, demonstration = roles(members, spec)
    in_policy = rollout | demonstration if spec.demonstration.kind != "none" else rollout
    weighted = is_demonstration if random_s is None else random_s
    r_group = union if spec.demonstration.r_group_over == "union" else accuracy
    if spec.demonstration.r_group_over == "next_group":
        r_group = of_next_group(accuracy, members.group_s)
    ones = torch.ones_like(members.reward_s)
    return Plan(
        advantage_s=advantages(members, spec.advantage),
        r_group_s=r_group,
        accuracy_s=members.accuracy_s,
        weight_s=torch.where(weighted, ones * weight, ones),
        rollout_s=rollout,
        demonstration_s=demonstration,
        policy_sequences=float(in_policy.sum()),
        policy_tokens=float(members.tokens_s[in_policy].sum()),
        nll_sequences=float(demonstration.sum()),
        nll_tokens=float(members.tokens_s[demonstration].sum()),
        tokens=float(members.tokens_s[rollout | demonstration].sum()),
        mu=0.0 if mu is None else mu,
    )


def objective(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Loss:
    """L = -sum(c u A) / aggregation + c_nll NLL(demonstrations) - c_H H of the sequences in `batch`.

    c is w or 1, u the ratio, A the advantage of each token. Losses of a partition add up exactly.

    An empty term is 0, never NaN.
    """
    rollout = _rollout_term(batch, spec, plan)
    demonstration = _demonstration_term(batch, spec, plan)
    nll = _nll_term(batch, spec.nll, plan)
    counted = batch.mask_st * (plan.rollout_s | plan.demonstration_s)[:, None]
    entropy = (batch.entropy_st * counted).sum() / max(plan.tokens, 1.0)
    nll_coefficient = plan.mu if spec.mixture is not None else spec.nll.coefficient
    total = (1 - plan.mu) * rollout + demonstration + nll_coefficient * nll
    if spec.entropy_coef:
        total = total - spec.entropy_coef * entropy
    return Loss(total, rollout, demonstration, nll, entropy)


def _rollout_term(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Tensor:
    if spec.rollout is None:
        return batch.logp_st.sum() * 0
    mask = batch.mask_st * plan.rollout_s[:, None]
    factor = token_factor(mask, plan.policy_sequences, plan.policy_tokens, spec.aggregation)
    factor = factor * plan.weight_s[:, None]
    gain = _rollout_gain(batch, spec.rollout, plan)
    return -(factor * gain).sum()


def _rollout_gain(batch: Batch, spec: RolloutTerm, plan: Plan) -> Tensor:
    if spec.kind == "logp_signed":
        entropy_s = sequence_mean(batch.entropy_st.detach(), batch.mask_st)
        right = spec.scale * entropy_s.exp()
        sign = torch.where(plan.accuracy_s > 0, right, -torch.ones_like(right))
        return sign[:, None] * batch.logp_st
    # Rows of demonstrations are masked out; a zero there keeps exp() from overflowing.
    difference = torch.where(
        plan.rollout_s[:, None], batch.logp_st - batch.old_logp_st, torch.zeros_like(batch.logp_st)
    )
    ratio = difference.exp()
    advantage = plan.advantage_s[:, None]
    if spec.clip_low is None or spec.clip_high is None:
        return ratio * advantage
    clipped = ratio.clamp(1 - spec.clip_low, 1 + spec.clip_high)
    return torch.minimum(ratio * advantage, clipped * advantage)


def _demonstration_term(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Tensor:
    if spec.demonstration.kind == "none":
        return batch.logp_st.sum() * 0
    mask = batch.mask_st * plan.demonstration_s[:, None]
    factor = token_factor(mask, plan.policy_sequences, plan.policy_tokens, spec.aggregation)
    ratio = demonstration_ratio(batch.logp_st, plan.r_group_s, spec.demonstration)
    return -(factor * ratio * (plan.weight_s * plan.advantage_s)[:, None]).sum()


def _nll_term(batch: Batch, spec: NLL, plan: Plan) -> Tensor:
    mask = batch.mask_st * plan.demonstration_s[:, None]
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
