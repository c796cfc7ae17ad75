"""Loss cases: a case's family and config become an `ObjectiveSpec`, its sequences a batch."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

import torch

from red.objective.advantage import group_mean, token_advantage
from red.objective.aggregate import sequence_mean
from red.objective.batch import Batch, Members, Plan
from red.objective.loss import gains, learned_of_demonstrations, objective, plan, with_mean_gains
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import NLL, Advantage, Aggregation, DemonstrationTerm, Mixture, ObjectiveSpec, RolloutTerm
from red.training import measures
from red.training.schedule import mixture_mu

Case = Mapping[str, Any]


def tensors(sequences: list[Case], dtype: torch.dtype = torch.float64) -> tuple[Batch, Members]:
    """The inputs of a loss case, of any lengths, as tensors; `logp` is a leaf that collects the gradient."""
    told = [_complete(s) for s in sequences]
    longest = max(len(s["logp"]) for s in told)
    groups = list(dict.fromkeys(s["group"] for s in told))

    def padded(name: str) -> torch.Tensor:
        return torch.tensor([s[name] + [0.0] * (longest - len(s[name])) for s in told], dtype=dtype)

    mask = padded("mask")
    batch = Batch(
        logp_st=padded("logp").requires_grad_(),
        old_logp_st=padded("old_logp"),
        entropy_st=padded("entropy"),
        mask_st=mask,
        teacher_logp_st=padded("teacher_logp") if any(s.get("teacher_logp") for s in sequences) else None,
    )
    members = Members(
        group_s=torch.tensor([groups.index(s["group"]) for s in told]),
        demonstration_s=torch.tensor([s["source"] == "offline" for s in told]),
        reward_s=torch.tensor([s["reward"] for s in told], dtype=dtype),
        accuracy_s=torch.tensor([s["acc"] for s in told], dtype=dtype),
        tokens_s=mask.sum(dim=1),
        prefix_s=torch.tensor([sum(s["prefix_mask"]) if s["source"] == "hybrid" else 0 for s in told]),
        prefix_kept_s=torch.tensor([s["prefix_weight"] != 0 for s in told]),
    )
    return batch, members


def _complete(sequence: Case) -> dict[str, Any]:
    """A sequence with what may be null or absent: all of its tokens count, the older policy is the current one, nobody
    teaches, and nothing was copied."""
    count = len(sequence["logp"])
    absent = {
        "old_logp": sequence["logp"],
        "mask": [1.0] * count,
        "entropy": [0.0] * count,
        "teacher_logp": [math.nan] * count,
        "prefix_mask": [0.0] * count,
        "prefix_weight": 1.0,
    }
    return absent | {name: value for name, value in sequence.items() if value is not None}


UNION = ("mixed", "srft", "rlplus", "trapo", "gvpo")


def spec_of(case: Case) -> ObjectiveSpec:
    """The `ObjectiveSpec` that a case's family and config name."""
    config, family = case["config"], case["family"]
    aggregation = Aggregation(config["agg"], config.get("agg_L", 512.0))
    pooled = family in UNION or (family == "prefix" and config.get("adv_over", "union") == "union")
    over: Literal["rollouts", "union"] = "union" if pooled else "rollouts"
    spec = ObjectiveSpec(
        advantage=Advantage(over, config.get("std", False), config.get("adv_eps", 1e-6)),
        rollout=_clipped(RolloutTerm(), config),
        aggregation=aggregation,
        entropy_coef=config.get("entropy_coef", 0.0),
        filter="accuracy_variance" if config.get("filter") == "acc_std_zero" else "none",
        gate=config.get("gate"),
    )
    over_all = config.get("r_group_over", "online") == "union"
    demonstration = DemonstrationTerm(
        config.get("offline", "none"), config.get("gamma", 0.1), "union" if over_all else "rollouts"
    )
    match family:
        case "pg":
            return spec
        case "sft":
            return replace(spec, rollout=None, nll=NLL(1.0, aggregation=config["agg"]))
        case "sft_weighted":
            return _supervised(spec, config)
        case "rlplus":
            return replace(spec, demonstration=DemonstrationTerm("mixture_is", focus=config["focus"]))
        case "nft" if config["prompt_weight"] == "one_minus_r" and config["neg_floor"] == 1:
            rollout = RolloutTerm("nft", None, None, neg_weight=config["neg_weight"])
            return replace(spec, rollout=rollout, filter="accuracy_variance")
        case "prefix":
            term = DemonstrationTerm("ratio_old", top_entropy=config["top_entropy"])
            return replace(spec, demonstration=_clipped(term, config) if config["clip_prefix"] else term)
        case "trapo":
            return replace(spec, demonstration=DemonstrationTerm("trust", alpha=config["alpha"], advantage="one"))
        case "token_adv":
            shares = {"reward": config["reward_coef"], "teacher": config["teacher_coef"]}
            return replace(spec, advantage=replace(spec.advantage, **shares))
        case "gvpo":
            rollout = RolloutTerm("gvpo", None, None, beta=config["beta"])
            return replace(spec, rollout=rollout, aggregation=Aggregation())
        case "redi":
            return replace(spec, rollout=None, nll=NLL(1.0, aggregation=config["agg"], negative=config["alpha"]))
        case "rl_sft" | "hpt":
            return replace(spec, nll=NLL(config["sft_coef"], aggregation=config.get("sft_agg", "token_mean")))
        case "mixed":
            return replace(spec, demonstration=demonstration)
        case "srft":
            return replace(
                spec, rollout=RolloutTerm("logp_signed"), demonstration=demonstration, nll=NLL(0.5, "exp_neg_entropy")
            )
        case "chord":
            return replace(spec, mixture=mixture_of(config), nll=NLL(token_weight="phi" if config["phi"] else "one"))
    raise ValueError(f"unknown family {family!r}")


def _supervised(spec: ObjectiveSpec, config: Case) -> ObjectiveSpec:
    """Losses on demonstrations alone."""
    spec = replace(spec, rollout=None)
    match config["kind"]:
        case "dft":
            return replace(spec, nll=NLL(1.0, "probability", config["agg"]))
        case "trsft":
            return replace(spec, demonstration=DemonstrationTerm("trust", alpha=config["alpha"], advantage="one"))
        case "psft":
            term = DemonstrationTerm("ratio_old", advantage="one")
            return replace(spec, demonstration=_clipped(term, config))
    raise ValueError(f"unknown kind {config['kind']!r}")


Clipped = TypeVar("Clipped", RolloutTerm, DemonstrationTerm)


def _clipped(term: Clipped, config: Case) -> Clipped:
    return replace(term, clip_low=config.get("clip_low"), clip_high=config.get("clip_high"))


def mixture_of(config: Case) -> Mixture:
    return Mixture(config["mu_warmup_steps"], config["mu_decay_steps"], config["mu_peak"], config["mu_valley"])


def loss(case: Case) -> dict[str, Any]:
    """Loss, its terms, advantages, and the gradient by every log-probability."""
    sequences: list[Case] = case["inputs"]["sequences"]
    batch, members = tensors(sequences)
    spec, config = spec_of(case), case["config"]
    mu = mixture_mu(config["step"], spec.mixture) if spec.mixture else None
    whole = plan(members, spec, weight=config.get("w", 1.0), mu=mu)
    if spec.residual is not None:
        whole = with_mean_gains(whole, batch, spec.residual, members.group_s)
    found = objective(batch, spec, whole)
    found.total.backward()
    assert batch.logp_st.grad is not None

    def rows(value_st: torch.Tensor) -> list[list[float]]:
        return [row[: len(s["logp"])] for row, s in zip(value_st.tolist(), sequences, strict=True)]

    entropy_s = sequence_mean(batch.entropy_st, batch.mask_st)
    on, off = whole.rollout_s, whole.demonstration_s
    terms: dict[str, Any] = {
        "nll": found.nll.item(),
        "sft": (found.demonstration if spec.demonstration.advantage == "one" else found.nll).item(),
        "demo_sft": 0.5 * found.nll.item(),
        "pg": found.rollout.item(),
        "grpo": found.rollout.item(),
        "online": found.rollout.item(),
        "self_rollout": found.rollout.item(),
        "offline": found.demonstration.item(),
        "prefix": found.demonstration.item(),
        "trsft": found.demonstration.item(),
        "prefix_kept": rows(learned_of_demonstrations(batch, spec.demonstration, whole)),
        "demo_rl": found.demonstration.item(),
        "entropy": found.entropy.item(),
        "mu": whole.mu,
        "kept": (on | off).tolist(),
        "use_online": on.tolist(),
        "use_offline": off.tolist(),
        "r_group": whole.r_group_s.tolist(),
        "r": whole.r_group_s.tolist(),
        "H_seq": entropy_s.tolist(),
        "w_sft": (0.5 * (-entropy_s).exp()).tolist(),
        "w_rl": (0.1 * entropy_s.exp()).tolist(),
        "P": dict(zip((str(s["group"]) for s in sequences), _group_accuracies(members), strict=True)),
    }
    if spec.residual is not None:
        residual_s = gains(batch, spec.residual) - whole.gain_mean_s - whole.advantage_s
        terms["residual"] = torch.where(whole.share_s > 0, residual_s, 0.0).tolist()  # alone, there is no other
    if batch.teacher_logp_st is not None:
        terms["teacher_kl"] = measures.policy_metrics(batch, whole, spec).get("teacher/kl", 0.0)  # of no token
        terms["token_advantage"] = rows(token_advantage(batch, whole.advantage_s, spec.advantage))
    if spec.nll.negative is not None:
        right, both = (
            objective(batch, replace(spec, nll=replace(spec.nll, negative=n)), whole).nll for n in (0.0, 1.0)
        )
        terms |= {"positive": right.item(), "negative": (both - right).item()}
    clip = (config.get("clip_low"), config.get("clip_high"))
    terms["out_of_range_frac"] = (
        None
        if None in clip
        else measures.outside((batch.logp_st - batch.old_logp_st).exp(), batch.mask_st * on[:, None], *clip)
    )
    terms["rho_offline"] = None
    if spec.demonstration.kind in ("shift", "shift_through"):
        ratio = rows(demonstration_ratio(batch.logp_st, batch.old_logp_st, whole.r_group_s, spec.demonstration))
        terms["rho_offline"] = [row for row, s in zip(ratio, sequences, strict=True) if s["source"] == "offline"]
    return {
        "advantage": _shown_advantage(spec, whole).tolist() if case["expected"].get("advantage") else None,
        "loss": found.total.item(),
        "terms": terms,
        "grad_logp": rows(batch.logp_st.grad),
    }


def _shown_advantage(spec: ObjectiveSpec, whole: Plan) -> torch.Tensor:
    """Of a hybrid, that of its prefix, where it is the group's."""
    return whole.advantage_s if spec.demonstration.advantage == "one" else whole.demonstration_advantage_s


def _group_accuracies(members: Members) -> list[float]:
    accuracy, _ = group_mean(members.accuracy_s, members.group_s, ~members.demonstration_s)
    found: list[float] = accuracy.tolist()
    return found
