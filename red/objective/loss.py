"""`plan` over the whole optimizer step, then `objective` on all of it or on any part."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from red.errors import RedError
from red.objective.advantage import advantages, group_mean, of_next_group, token_advantage
from red.objective.aggregate import highest, sequence_mean, token_factor
from red.objective.batch import Batch, Members, Plan
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import NLL, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm


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
    """(S,) booleans: the rollouts (hybrids too) and the demonstrations that enter the loss, after filters and gates."""
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
    """(S,) accuracy of each sequence's group: of its rollouts from the prompt, and of all its members."""
    rollouts, _ = group_mean(members.accuracy_s, members.group_s, members.pure_rollout_s)
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
    advantage, of_demonstrations = advantages(members, spec.advantage)
    if spec.demonstration.advantage == "one":
        of_demonstrations = ones
    wrong = demonstration & (members.accuracy_s == 0)
    if spec.nll.negative is None:
        wrong = torch.zeros_like(wrong)
    right = demonstration & ~wrong
    if members.prefix_kept_s is not None:
        of_demonstrations = torch.where(members.prefix_kept_s, of_demonstrations, torch.zeros_like(ones))
    return Plan(
        advantage_s=advantage,
        demonstration_advantage_s=of_demonstrations,
        r_group_s=r_group,
        accuracy_s=members.accuracy_s,
        weight_s=torch.where(weighted, ones * weight, ones),
        rollout_s=rollout,
        demonstration_s=demonstration,
        prefix_s=torch.zeros_like(members.group_s) if members.prefix_s is None else members.prefix_s,
        wrong_s=wrong,
        share_s=_shares(members, rollout | demonstration if spec.advantage.over == "union" else rollout),
        gain_mean_s=torch.zeros_like(ones),
        policy_sequences=float(in_policy.sum()),
        policy_tokens=float(members.tokens_s[in_policy].sum()),
        nll_sequences=float(right.sum()),
        nll_tokens=float(members.tokens_s[right].sum()),
        wrong_sequences=float(wrong.sum()),
        wrong_tokens=float(members.tokens_s[wrong].sum()),
        tokens=float(members.tokens_s[rollout | demonstration].sum()),
        mu=0.0 if mu is None else mu,
    )


def _shares(members: Members, fitted_s: Tensor) -> Tensor:
    """(S,): 1 / (groups (size of the group - 1)) of the members that GVPO fits; 0 for others, and for one alone."""
    groups = len(members.group_s[fitted_s].unique())
    _, count = group_mean(members.reward_s, members.group_s, fitted_s)
    share = 1 / (groups * (count - 1))  # of one alone infinite, and not taken
    return torch.where(fitted_s & (count > 1), share, torch.zeros_like(share))


def gains(batch: Batch, spec: RolloutTerm) -> Tensor:
    """(S,): GVPO's implicit reward, beta times the sum of log(pi/pi_old) over a member's tokens."""
    return spec.beta * ((batch.logp_st - batch.old_logp_st) * batch.mask_st).sum(dim=1)


def with_mean_gains(plan: Plan, batch: Batch, spec: RolloutTerm, group_s: Tensor) -> Plan:
    """The plan with the mean gain of each group, by a pass over all members of the update."""
    mean, _ = group_mean(gains(batch, spec).detach(), group_s, plan.share_s > 0)
    return replace(plan, gain_mean_s=mean)


def objective(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Loss:
    """L = -sum(c u A) / aggregation + c_nll NLL(demonstrations) - c_H H of the sequences in `batch`.

    c is w or 1, u the ratio, A the advantage of each token. Losses of a partition add up exactly.

    An empty term is 0, never NaN. RedError where the plan is of other sequences.
    """
    planned, given = len(plan.advantage_s), len(batch.logp_st)
    if planned != given:
        raise RedError(f"loss: {given} sequences under a plan of {planned}; take the same rows(index) of both")
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
    if spec.rollout.kind == "gvpo":
        residual = (gains(batch, spec.rollout) - plan.gain_mean_s) - plan.advantage_s
        return (residual.square() * plan.share_s).sum() / 2
    whole = batch.mask_st * plan.rollout_s[:, None]
    factor = token_factor(whole, plan.policy_sequences, plan.policy_tokens, spec.aggregation)
    factor = factor * plan.sampled(batch.mask_st) * plan.weight_s[:, None]
    gain = _rollout_gain(batch, spec.rollout, plan, token_advantage(batch, plan.advantage_s, spec.advantage))
    return -(factor * gain).sum()


def _rollout_gain(batch: Batch, spec: RolloutTerm, plan: Plan, advantage: Tensor) -> Tensor:
    if spec.kind == "logp_signed":
        entropy_s = sequence_mean(batch.entropy_st.detach(), batch.mask_st)
        right = spec.scale * entropy_s.exp()
        sign = torch.where(plan.accuracy_s > 0, right, -torch.ones_like(right))
        return sign[:, None] * batch.logp_st
    # Demonstrations are masked out; a zero there keeps exp() from overflowing.
    difference = torch.where(
        plan.rollout_s[:, None], batch.logp_st - batch.old_logp_st, torch.zeros_like(batch.logp_st)
    )
    if spec.kind == "nft":
        return _nft_gain(difference, spec, plan)
    return _surrogate(difference.exp(), advantage, spec.clip_low, spec.clip_high)


def _surrogate(ratio: Tensor, advantage: Tensor, low: float | None, high: float | None) -> Tensor:
    """min(u A, clip(u, 1 - low, 1 + high) A), or u A where an edge is missing."""
    if low is None or high is None:
        return ratio * advantage
    return torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def _nft_gain(log_ratio_st: Tensor, spec: RolloutTerm, plan: Plan) -> Tensor:
    """(1 - r) log R on right rollouts; on wrong ones (1 - r) log x, x = (1 - r R) / (1 - r), at least 1 in value with
    the gradient of x. r is the group's accuracy, R the ratio. The bounds of r and R are the released code's."""
    r = plan.r_group_s.clamp(0.02, 0.98)[:, None]
    x = (1 - r * log_ratio_st.clamp(max=10).exp()) / (1 - r)
    floored = x.clamp(min=1).detach() + (x - x.detach())
    right = (plan.accuracy_s > 0)[:, None]
    return (1 - r) * torch.where(right, log_ratio_st, spec.neg_weight * floored.log())


def _demonstration_term(batch: Batch, spec: ObjectiveSpec, plan: Plan) -> Tensor:
    if spec.demonstration.kind == "none":
        return batch.logp_st.sum() * 0
    learned = learned_of_demonstrations(batch, spec.demonstration, plan)
    whole = batch.mask_st * (plan.rollout_s | plan.demonstration_s)[:, None]
    factor = token_factor(whole, plan.policy_sequences, plan.policy_tokens, spec.aggregation) * learned
    # Rollouts are masked out, as demonstrations are there.
    old = torch.where(learned > 0, batch.old_logp_st, batch.logp_st.detach())
    ratio = demonstration_ratio(batch.logp_st, old, plan.r_group_s, spec.demonstration)
    advantage = (plan.weight_s * plan.demonstration_advantage_s)[:, None]
    low, high = spec.demonstration.clip_low, spec.demonstration.clip_high
    if low is None or high is None:
        return -(factor * ratio * advantage).sum()  # in this order, in which trainings have always rounded
    return -(factor * _surrogate(ratio, advantage, low, high)).sum()


def learned_of_demonstrations(batch: Batch, spec: DemonstrationTerm, plan: Plan) -> Tensor:
    """(S, T): 1 on the tokens of demonstrations and of prefixes that the term learns."""
    taught = plan.taught(batch.mask_st)
    return taught if spec.top_entropy == 1 else highest(batch.entropy_st.detach(), taught, spec.top_entropy)


def _nll_term(batch: Batch, spec: NLL, plan: Plan) -> Tensor:
    aggregation = Aggregation(kind=spec.aggregation)
    right = batch.mask_st * (plan.demonstration_s & ~plan.wrong_s)[:, None]
    factor = token_factor(right, plan.nll_sequences, plan.nll_tokens, aggregation)
    if spec.negative is not None:
        wrong = batch.mask_st * plan.wrong_s[:, None]
        pushed = token_factor(wrong, plan.wrong_sequences, plan.wrong_tokens, aggregation)
        factor = factor - spec.negative * pushed
    return -(factor * nll_weight(batch, spec) * batch.logp_st).sum()


def nll_weight(batch: Batch, spec: NLL) -> Tensor:
    """(S, T): the weight on each token's log pi in the NLL term, without gradient."""
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
