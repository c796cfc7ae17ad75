"""Loss cases: a case's family and config become an `ObjectiveSpec`, its sequences a batch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

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
    """The inputs of a loss case as tensors; `logp` is a leaf that collects the gradient."""
    longest = max(len(s["logp"]) for s in sequences)

    def padded(rows: list[list[float]]) -> torch.Tensor:
        return torch.tensor([r + [0.0] * (longest - len(r)) for r in rows], dtype=dtype)

    mask = padded([s["mask"] for s in sequences])
    batch = Batch(
        logp_st=padded([s["logp"] for s in sequences]).requires_grad_(),
        old_logp_st=padded([s["old_logp"] or [0.0] * len(s["logp"]) for s in sequences]),
        entropy_st=padded([s["entropy"] for s in sequences]),
        mask_st=mask,
        teacher_logp_st=padded([s["teacher_logp"] for s in sequences]) if "teacher_logp" in sequences[0] else None,
    )
    prefix = [sum(s.get("prefix_mask", ())) if s["source"] == "hybrid" else 0 for s in sequences]
    members = Members(
        group_s=torch.tensor([s["group"] for s in sequences]),
        demonstration_s=torch.tensor([s["source"] == "offline" for s in sequences]),
        reward_s=torch.tensor([s["reward"] for s in sequences], dtype=dtype),
        accuracy_s=torch.tensor([s["acc"] for s in sequences], dtype=dtype),
        tokens_s=mask.sum(dim=1),
        prefix_s=torch.tensor(prefix),
        prefix_kept_s=torch.tensor([s.get("prefix_weight", 1) != 0 for s in sequences]),
    )
    return batch, members


UNION = ("mixed", "srft", "rlplus", "trapo")


def spec_of(case: Case) -> ObjectiveSpec:
    """The `ObjectiveSpec` that a case's family and config name."""
    config, family = case["config"], case["family"]
    aggregation = Aggregation(config["agg"], config.get("agg_L", 512.0))
    over: Literal["rollouts", "union"] = "union" if family in UNION or config.get("adv_over") == "union" else "rollouts"
    spec = ObjectiveSpec(
        advantage=Advantage(over, config.get("std", False), config.get("adv_eps", 1e-6)),
        rollout=RolloutTerm(clip_low=config.get("clip_low"), clip_high=config.get("clip_high")),
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
            clip = {"clip_low": config["clip_low"], "clip_high": config["clip_high"]} if config["clip_prefix"] else {}
            term = DemonstrationTerm("ratio_old", **clip, top_entropy=config["top_entropy"])
            return replace(spec, demonstration=term)
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
            return replace(spec, nll=NLL(config["sft_coef"]))
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
            edges = {"clip_low": config["clip_low"], "clip_high": config["clip_high"]}
            return replace(spec, demonstration=DemonstrationTerm("ratio_old", **edges, advantage="one"))
    raise ValueError(f"unknown kind {config['kind']!r}")


def mixture_of(config: Case) -> Mixture:
    return Mixture(config["mu_warmup_steps"], config["mu_decay_steps"], config["mu_peak"], config["mu_valley"])


def loss(case: Case) -> dict[str, Any]:
    """Loss, its terms, advantages, and the gradient by every log-probability."""
    batch, members = tensors(case["inputs"]["sequences"])
    spec, config = spec_of(case), case["config"]
    mu = mixture_mu(config["step"], spec.mixture) if spec.mixture else None
    whole = plan(members, spec, weight=config.get("w", 1.0), mu=mu)
    if spec.residual is not None:
        whole = with_mean_gains(whole, batch, spec.residual, members.group_s)
    found = objective(batch, spec, whole)
    found.total.backward()
    assert batch.logp_st.grad is not None
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
        "prefix_kept": learned_of_demonstrations(batch, spec.demonstration, whole).tolist(),
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
        "P": _group_accuracies(members),
    }
    if spec.residual is not None:
        terms["residual"] = (gains(batch, spec.residual) - whole.gain_mean_s - whole.advantage_s).tolist()
    if batch.teacher_logp_st is not None:
        terms["teacher_kl"] = measures.policy_metrics(batch, whole, spec)["teacher/kl"]
        terms["token_advantage"] = token_advantage(batch, whole.advantage_s, spec.advantage).tolist()
    if spec.nll.negative:
        right = objective(batch, replace(spec, nll=replace(spec.nll, negative=0.0)), whole).nll
        terms |= {"positive": right.item(), "negative": ((found.nll - right) / spec.nll.negative).item()}
    clip = (config.get("clip_low"), config.get("clip_high"))
    terms["out_of_range_frac"] = (
        None
        if None in clip
        else measures.outside((batch.logp_st - batch.old_logp_st).exp(), batch.mask_st * on[:, None], *clip)
    )
    shifted = spec.demonstration.kind in ("shift", "shift_through")
    terms["rho_offline"] = (
        demonstration_ratio(batch.logp_st, batch.old_logp_st, whole.r_group_s, spec.demonstration)[
            members.demonstration_s
        ].tolist()
        if shifted
        else None
    )
    return {
        "advantage": _shown_advantage(spec, whole).tolist() if case["expected"]["advantage"] else None,
        "loss": found.total.item(),
        "terms": terms,
        "grad_logp": batch.logp_st.grad.tolist(),
    }


def _shown_advantage(spec: ObjectiveSpec, whole: Plan) -> torch.Tensor:
    """Of a hybrid, that of its prefix, where it is the group's."""
    return whole.advantage_s if spec.demonstration.advantage == "one" else whole.demonstration_advantage_s


def _group_accuracies(members: Members) -> dict[str, float]:
    accuracy, _ = group_mean(members.accuracy_s, members.group_s, ~members.demonstration_s)
    return {str(group): value for group, value in zip(members.group_s.tolist(), accuracy.tolist(), strict=True)}
