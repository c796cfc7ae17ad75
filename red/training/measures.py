"""The metrics of one optimizer step, under the names that docs/glossary.md explains.

Both engines call these functions, so a name means the same number everywhere.
"""

import math
from collections.abc import Mapping
from collections.abc import Sequence as Seq

import torch
from torch import Tensor

from red.errors import RedError
from red.methods.base import Group, Sequence
from red.objective.advantage import FLOOR, teacher_gap
from red.objective.aggregate import sequence_mean
from red.objective.batch import Batch, Plan
from red.objective.loss import learned_of_demonstrations
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import ObjectiveSpec
from red.text.thinking_words import PATTERN
from red.training.weight import StepEntropy, WeightStep

BINS = 8


def step_entropy(entropy_st: Tensor, mask_st: Tensor, rollout_s: Tensor, demonstration_s: Tensor) -> StepEntropy:
    """Mean over sequences of the mean over tokens, as w needs it, with standard errors, nats.

    entropy_st, mask_st: (S, T); rollout_s, demonstration_s: (S,) booleans. RedError on other marks: numbers would
    choose sequences by their place.
    """
    if not rollout_s.dtype == demonstration_s.dtype == torch.bool:
        raise RedError(f"step_entropy: marks are booleans, found {rollout_s.dtype} and {demonstration_s.dtype}")
    per_sequence = sequence_mean(entropy_st.detach(), mask_st)
    rl, rl_se = _mean_and_error(per_sequence[rollout_s])
    sft, sft_se = _mean_and_error(per_sequence[demonstration_s])
    return StepEntropy(rl, sft, rl_se, sft_se)


def group_metrics(groups: Seq[Group]) -> dict[str, float]:
    """Rewards, accuracies and lengths of a step's members."""
    rollouts = [s for g in groups for s in g.rollouts]
    demonstrations = [s for g in groups for s in g.members if s.is_demonstration]
    hybrids = [(s, s.prefix / len(g.problem.demonstration)) for g in groups for s in g.hybrids]
    sampled = [g.accuracies for g in groups if g.rollouts]
    return {
        "train/groups": len(groups),
        **_means("reward/rollout", [s.reward for s in rollouts]),
        **_means("accuracy/rollout", [s.accuracy for s in rollouts]),
        **_means("accuracy/demonstration", [s.accuracy for s in demonstrations]),
        **_means("train/truncated", [float(s.truncated) for s in rollouts]),
        **_means("train/solve_none", [float(not any(a)) for a in sampled]),
        **_means("train/solve_all", [float(all(a)) for a in sampled]),
        **_means("length/rollout", [len(s.response) for s in rollouts]),
        **_means("length/demonstration", [len(s.response) for s in demonstrations]),
        **_means("prefix/accuracy", [s.accuracy for s, _ in hybrids]),
        **_means("prefix/tokens", [s.prefix for s, _ in hybrids]),
        **_means("prefix/share", [share for _, share in hybrids]),
    }


def entropy_metrics(entropy: StepEntropy) -> dict[str, float]:
    """`entropy/*`; a side that was not measured is left out."""
    metrics: dict[str, float] = {}
    if entropy.rollout is not None:
        metrics |= {"entropy/rollout": entropy.rollout, "entropy/rollout_se": entropy.rollout_se}
    if entropy.demonstration is not None:
        metrics |= {
            "entropy/demonstration": entropy.demonstration,
            "entropy/demonstration_se": entropy.demonstration_se,
        }
    return metrics


def weight_metrics(step: WeightStep, spec: ObjectiveSpec) -> dict[str, float]:
    """`red/w` and what it was made of; the ratio is measured under every schedule."""
    metrics = {"red/w": step.w}
    for name, value in (
        ("red/w_raw", step.raw),
        ("red/change_rollout", step.change_rollout),
        ("red/change_demonstration", step.change_demonstration),
    ):
        if value is not None and math.isfinite(value):
            metrics[name] = value
    if step.raw is not None and spec.weight.kind == "entropy_ratio":
        metrics["red/w_at_low"] = float(step.raw <= spec.weight.low)
        metrics["red/w_at_high"] = float(spec.weight.high is not None and step.raw >= spec.weight.high)
    return metrics


def policy_metrics(batch: Batch, plan: Plan, spec: ObjectiveSpec) -> dict[str, float]:
    """Probabilities, ratios outside the clip range, and RED's quantities by group accuracy."""
    logp, mask = batch.logp_st.detach(), batch.mask_st
    low = 0.2 if spec.rollout is None or spec.rollout.clip_low is None else spec.rollout.clip_low
    high = 0.2 if spec.rollout is None or spec.rollout.clip_high is None else spec.rollout.clip_high
    on, off = plan.sampled(mask), plan.taught(mask)
    metrics: dict[str, float] = {}
    if on.sum() > 0:
        ratio = torch.where(on > 0, logp - batch.old_logp_st, torch.zeros_like(logp)).exp()
        metrics["ratio/out_of_range_rollout"] = outside(ratio, on, low, high)
        metrics["probability/rollout"] = _masked_mean(logp.exp(), on)
        if batch.teacher_logp_st is not None:
            gap = teacher_gap(batch)
            metrics["teacher/kl"] = -_masked_mean(gap, on)
            metrics["teacher/floored"] = _masked_mean((gap <= FLOOR).to(on.dtype), on)
    wrong = on * (plan.accuracy_s == 0)[:, None] + mask * plan.wrong_s[:, None]
    if wrong.any():
        metrics["logp/wrong_mean"] = _masked_mean(logp, wrong)
    if off.sum() > 0:
        # As in Figure 9, the ratio of a demonstration is pi / 1.
        metrics["ratio/out_of_range_demonstration"] = outside(logp.exp(), off, low, high)
        metrics["probability/demonstration"] = _masked_mean(logp.exp(), off)
    if spec.demonstration.kind != "none" and off.sum() > 0:
        metrics |= _shift_metrics(batch, plan, spec)
    return metrics


def outside(ratio: Tensor, mask: Tensor, low: float, high: float) -> float:
    """Share of counted tokens whose ratio lies outside [1 - low, 1 + high]."""
    return _masked_mean(((ratio < 1 - low) | (ratio > 1 + high)).to(mask.dtype), mask)


def _shift_metrics(batch: Batch, plan: Plan, spec: ObjectiveSpec) -> dict[str, float]:
    on, off = plan.sampled(batch.mask_st), plan.taught(batch.mask_st)
    taught = off.any(dim=1)
    ratio = demonstration_ratio(batch.logp_st.detach(), batch.old_logp_st, plan.r_group_s, spec.demonstration)
    accuracy = plan.r_group_s[taught]
    bins = (accuracy * BINS).round().long().clamp(0, BINS)
    per_sequence = sequence_mean(ratio, off)[taught]
    metrics = {"red/r_group_mean": accuracy.mean().item()}
    for index in range(BINS + 1):
        inside = bins == index
        metrics[f"red/r_group_hist/{index}"] = float(inside.sum())
        if inside.any():
            metrics[f"red/rho_mean/{index}"] = per_sequence[inside].mean().item()
    learned = learned_of_demonstrations(batch, spec.demonstration, plan)
    mass_s = (ratio * learned).sum(1) * plan.weight_s * plan.demonstration_advantage_s.abs()
    mass_off = mass_s[taught].sum()
    mass_on = (on.sum(1) * plan.weight_s * plan.advantage_s.abs())[plan.rollout_s].sum()
    metrics["red/mass_demonstration"] = (mass_off / (mass_off + mass_on).clamp(min=1e-12)).item()
    hybrid = plan.rollout_s & taught
    if hybrid.any():
        kept = learned * hybrid[:, None]
        metrics["prefix/kept_entropy"] = _masked_mean(batch.entropy_st.detach(), kept)
        metrics["prefix/negative"] = (plan.demonstration_advantage_s[hybrid] < 0).double().mean().item()
        metrics["prefix/mass"] = (mass_s[hybrid].sum() / (mass_off + mass_on).clamp(min=1e-12)).item()
    return metrics


def overthinking(texts: Seq[str], tokens: int) -> dict[str, float]:
    """Thinking words per 1,000 response tokens."""
    if not tokens:
        return {}
    words = sum(len(PATTERN.findall(text)) for text in texts)
    return {"words/overthink_per_1k": 1000 * words / tokens}


def mean_of(steps: Seq[Mapping[str, float]]) -> dict[str, float]:
    """Plain mean of each metric over the updates that have it."""
    names = dict.fromkeys(name for metrics in steps for name in metrics)
    columns = {name: [metrics[name] for metrics in steps if name in metrics] for name in names}
    return {name: sum(column) / len(column) for name, column in columns.items()}


def _masked_mean(value: Tensor, mask: Tensor) -> float:
    return float((value * mask).sum() / mask.sum().clamp(min=1))


def _means(name: str, values: Seq[float]) -> dict[str, float]:
    return {name: math.fsum(values) / len(values)} if values else {}


def _mean_and_error(values: Tensor) -> tuple[float | None, float]:
    if not len(values):
        return None, 0.0
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return values.mean().item(), error


def learned(sequences: Seq[Sequence]) -> dict[str, int]:
    """What enters an update: response tokens, the prompt tokens before them, and demonstrations."""
    return {
        "tokens/trained": trained_tokens(sequences),
        "tokens/prompt": sum(len(s.prompt) for s in sequences),
        "train/demonstrations": sum(s.is_demonstration for s in sequences),
    }


def trained_tokens(sequences: Seq[Sequence]) -> int:
    """Response tokens that enter an update."""
    return sum(len(s.response) for s in sequences)
