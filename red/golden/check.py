"""Checks a file of worked numbers (schema red-golden/1) against the code that the methods use."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from red.errors import DataError
from red.golden.kappa import kappas
from red.methods.base import Group, Problem, Sequence, overlong_penalty
from red.methods.bread import AnchorSearch
from red.methods.relift import HardBuffer
from red.objective.advantage import group_mean
from red.objective.aggregate import sequence_mean
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import (
    NLL,
    Advantage,
    Aggregation,
    DemonstrationTerm,
    Mixture,
    ObjectiveSpec,
    RolloutTerm,
    Weight,
)
from red.objective.vocabulary import logp_and_entropy
from red.training import measures
from red.training.schedule import mixture_mu
from red.training.weight import StepEntropy, WeightSchedule

TOLERANCE = 1e-10
SCHEMA = "red-golden/1"
Case = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """Outcome of one case; `problem` is empty when it passed."""

    id: str
    kind: str
    problem: str


def check(document: Mapping[str, Any]) -> list[Result]:
    """Check every case. An unknown kind or a computation that fails is a failed case."""
    if document.get("schema") != SCHEMA:
        raise DataError(f"schema is {document.get('schema')!r}; this program reads {SCHEMA!r}")
    cases = document.get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else [None]):
        texts = [case.get(key) for key in ("id", "kind")] if isinstance(case, Mapping) else [None]
        if not all(isinstance(text, str) for text in texts):
            raise DataError(f"cases: entry {index}: expected an object with the texts id and kind")
    return [_check_case(case) for case in document["cases"]]


def summary(results: list[Result]) -> str:
    """One line per kind with passed and failed, then one line per failure."""
    passed = Counter(r.kind for r in results if not r.problem)
    failed = Counter(r.kind for r in results if r.problem)
    lines = [f"{kind:14} {passed[kind]:3} passed {failed[kind]:3} failed" for kind in sorted({r.kind for r in results})]
    return "\n".join(lines + [f"FAILED {r.id}: {r.problem}" for r in results if r.problem])


def _check_case(case: Case) -> Result:
    compute = KINDS.get(case["kind"])
    if compute is None:
        return Result(case["id"], case["kind"], f"unknown kind {case['kind']!r}")
    try:
        problem = difference(case["expected"], compute(case))
    except Exception as error:  # what a wrong number does to a computation is the result
        problem = f"{type(error).__name__}: {error}"
    return Result(case["id"], case["kind"], problem)


def difference(expected: Any, found: Any, path: str = "expected") -> str:
    """Where `found` first departs from `expected` by more than the tolerance; empty if nowhere."""
    if isinstance(expected, Mapping):
        for key in expected:
            if key not in found:
                return f"{path}.{key}: not computed"
            if problem := difference(expected[key], found[key], f"{path}.{key}"):
                return problem
        return ""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return f"{path}: expected {expected!r}, found {found!r}"
        pairs = zip(expected, found, strict=True)
        return next((p for i, (e, f) in enumerate(pairs) if (p := difference(e, f, f"{path}[{i}]"))), "")
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return "" if expected == found else f"{path}: expected {expected!r}, found {found!r}"
    close = math.isclose(expected, found, rel_tol=0, abs_tol=TOLERANCE)
    return "" if close else f"{path}: expected {expected!r}, found {found!r}"


# --- losses -------------------------------------------------------------------------------------


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
    )
    members = Members(
        group_s=torch.tensor([s["group"] for s in sequences]),
        demonstration_s=torch.tensor([s["source"] == "offline" for s in sequences]),
        reward_s=torch.tensor([s["reward"] for s in sequences], dtype=dtype),
        accuracy_s=torch.tensor([s["acc"] for s in sequences], dtype=dtype),
        tokens_s=mask.sum(dim=1),
    )
    return batch, members


def spec_of(case: Case) -> ObjectiveSpec:
    """The `ObjectiveSpec` that a case's family and config name."""
    config, family = case["config"], case["family"]
    aggregation = Aggregation(config["agg"], config.get("agg_L", 512.0))
    over: Literal["rollouts", "union"] = "union" if family in ("mixed", "srft", "rlplus") else "rollouts"
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
        case "rl_sft" | "hpt":
            return replace(spec, nll=NLL(config["sft_coef"]))
        case "mixed":
            return replace(spec, demonstration=demonstration)
        case "srft":
            return replace(
                spec, rollout=RolloutTerm("logp_signed"), demonstration=demonstration, nll=NLL(0.5, "exp_neg_entropy")
            )
        case "chord":
            return replace(spec, mixture=_mixture(config), nll=NLL(token_weight="phi" if config["phi"] else "one"))
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


def _mixture(config: Case) -> Mixture:
    return Mixture(config["mu_warmup_steps"], config["mu_decay_steps"], config["mu_peak"], config["mu_valley"])


def _loss(case: Case) -> dict[str, Any]:
    batch, members = tensors(case["inputs"]["sequences"])
    spec, config = spec_of(case), case["config"]
    mu = mixture_mu(config["step"], spec.mixture) if spec.mixture else None
    whole = plan(members, spec, weight=config.get("w", 1.0), mu=mu)
    loss = objective(batch, spec, whole)
    loss.total.backward()
    assert batch.logp_st.grad is not None
    entropy_s = sequence_mean(batch.entropy_st, batch.mask_st)
    on, off = whole.rollout_s, whole.demonstration_s
    terms: dict[str, Any] = {
        "nll": loss.nll.item(),
        "sft": (loss.demonstration if spec.demonstration.advantage == "one" else loss.nll).item(),
        "demo_sft": 0.5 * loss.nll.item(),
        "pg": loss.rollout.item(),
        "grpo": loss.rollout.item(),
        "online": loss.rollout.item(),
        "self_rollout": loss.rollout.item(),
        "offline": loss.demonstration.item(),
        "demo_rl": loss.demonstration.item(),
        "entropy": loss.entropy.item(),
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
        "advantage": whole.advantage_s.tolist() if case["expected"]["advantage"] else None,
        "loss": loss.total.item(),
        "terms": terms,
        "grad_logp": batch.logp_st.grad.tolist(),
    }


def _group_accuracies(members: Members) -> dict[str, float]:
    accuracy, _ = group_mean(members.accuracy_s, members.group_s, ~members.demonstration_s)
    return {str(group): value for group, value in zip(members.group_s.tolist(), accuracy.tolist(), strict=True)}


# --- schedules, buffers, tables -----------------------------------------------------------------


def _w_schedule(case: Case) -> dict[str, Any]:
    config = case["config"]
    schedule = WeightSchedule(
        Weight(
            "entropy_ratio",
            window=config["window"],
            low=config["clip"][0],
            high=config["clip"][1],
            floor=config["denominator_floor"],
        )
    )
    pairs = zip(case["inputs"]["H_rl"], case["inputs"]["H_sft"], strict=True)
    return {"w": [schedule.step(i, StepEntropy(rl, sft)).w for i, (rl, sft) in enumerate(pairs)]}


def _step_entropy(case: Case) -> dict[str, Any]:
    batch, members = tensors(case["inputs"]["sequences"])
    entropy = measures.step_entropy(batch.entropy_st, batch.mask_st, members.demonstration_s)
    return {"H_rl": entropy.rollout, "H_sft": entropy.demonstration}


def _rho_table(case: Case) -> dict[str, Any]:
    return {"rows": [_rho_row(row["beta"], row["pi"]) for row in case["expected"]["rows"]]}


def _rho_row(beta: float, pi: float) -> dict[str, Any]:
    def coefficient(spec: DemonstrationTerm) -> tuple[float, float]:
        logp = torch.tensor([[math.log(pi)]], dtype=torch.float64, requires_grad=True)
        ratio = demonstration_ratio(logp, logp.detach(), torch.tensor([beta], dtype=torch.float64), spec)
        return ratio.item(), torch.autograd.grad(ratio.sum(), logp)[0].item()

    rho, detached = coefficient(DemonstrationTerm("shift"))
    return {
        "beta": beta,
        "pi": pi,
        "rho": rho,
        "lower": pi,
        "coef_detached": detached,
        "tight_upper": min(1.0, pi / beta) if beta else 1.0,
        "paper_upper": 1 / (1 - beta) if beta < 1 else None,
        "coef_through": coefficient(DemonstrationTerm("shift_through"))[1],
        "coef_luffy_0.1": coefficient(DemonstrationTerm("shape", 0.1))[1],
    }


def _kappa_table(case: Case) -> dict[str, Any]:
    return {"rows": [{"pi": row["pi"], **kappas(row["pi"])} for row in case["expected"]["rows"]]}


def _entropy_sign(case: Case) -> dict[str, Any]:
    return {"rows": [_entropy_change(r["logits"], r["target"]) for r in case["expected"]["rows"]]}


def _entropy_change(logits: list[float], target: int) -> dict[str, Any]:
    z = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    words = torch.eye(len(logits), dtype=torch.float64)
    (logp,), (entropy,) = logp_and_entropy(z, words, torch.tensor([target]))
    step = torch.autograd.grad(logp.exp(), z, retain_graph=True)[0]
    slope = torch.autograd.grad(entropy, z)[0]
    return {
        "logits": logits,
        "target": target,
        "pi_target": logp.exp().item(),
        "H": entropy.item(),
        "dH_per_unit_step": (step * slope).sum().item(),
    }


def _relift_buffer(case: Case) -> dict[str, Any]:
    buffer, log = HardBuffer(case["config"]["batch_M"]), []
    for row in case["inputs"]["stream"]:
        solved = zip(row["uid"], row["n_solved_of_8"], strict=True)
        batch = buffer.due([_group(str(uid), n) for uid, n in solved])
        log.append(
            {
                "step": row["step"],
                "ft_uids": [int(u) for u in batch] if batch else None,
                "buffer_after": [int(u) for u in buffer.ids],
            }
        )
    return {"log": log}


def _group(uid: str, solved: int, size: int = 8) -> Group:
    verdicts = [1.0] * solved + [0.0] * (size - solved)
    return Group(Problem(uid, (), "", (0,)), tuple(Sequence((), (), v, v) for v in verdicts))


def _bread_eas(case: Case) -> dict[str, Any]:
    config, counts, probes = case["config"], case["inputs"]["success_count_by_k"], []
    search = AnchorSearch(config["K"], *config["range"])
    while counts[0] == 0 and (k := search.probe()) is not None:
        probes.append(k)
        search.report(counts[k] / config["G"])
    return {"probes": probes, "anchor_k": search.anchor()}


def _overlong(case: Case) -> dict[str, Any]:
    config = case["config"]
    return {"penalty": [overlong_penalty(n, config["max_len"], config["buffer"]) for n in case["inputs"]["length"]]}


def _mu_schedule(case: Case) -> dict[str, Any]:
    return {"mu": [mixture_mu(s, _mixture(case["config"])) for s in case["inputs"]["steps"]]}


def sft_probability(last_sft_norm: float, warmup_norm: float, gamma: float) -> float:
    """SASR's chance that the next step is supervised (docs/methods.md section 11: a gate, not a method)."""
    return last_sft_norm / (last_sft_norm + gamma * warmup_norm)


def _sasr(case: Case) -> dict[str, Any]:
    norms = case["inputs"]
    return {"p_sft": sft_probability(norms["g_last_sft"], norms["g_warmup"], case["config"]["gamma"])}


def _clip_ratio(case: Case) -> dict[str, Any]:
    low, high = case["config"]["clip_low"], case["config"]["clip_high"]
    ratio = torch.tensor([case["inputs"]["pi"]], dtype=torch.float64)
    return {
        "out_of_range": measures.outside(ratio, torch.ones_like(ratio), low, high),
        "ppo_min_active_if_A_positive": _share_without_gradient(ratio, RolloutTerm(clip_low=low, clip_high=high)),
    }


def _share_without_gradient(ratio: torch.Tensor, term: RolloutTerm) -> float:
    """Of the tokens of one rollout whose advantage is its reward, 1: those that the clip silences."""
    logp, ones = ratio.log().requires_grad_(), torch.ones(1, dtype=torch.float64)
    members = Members(torch.zeros(1), torch.zeros(1, dtype=torch.bool), ones, ones, ones * ratio.shape[1])
    spec = ObjectiveSpec(rollout=term)
    batch = Batch(logp, torch.zeros_like(logp), torch.zeros_like(logp), torch.ones_like(logp))
    gradient = torch.autograd.grad(objective(batch, spec, plan(members, spec)).total, logp)[0]
    return (gradient == 0).double().mean().item()


KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "loss": _loss,
    "w_schedule": _w_schedule,
    "mu_schedule": _mu_schedule,
    "step_entropy": _step_entropy,
    "rho_table": _rho_table,
    "kappa_table": _kappa_table,
    "entropy_sign": _entropy_sign,
    "overlong": _overlong,
    "relift_buffer": _relift_buffer,
    "bread_eas": _bread_eas,
    "sasr": _sasr,
    "clip_ratio": _clip_ratio,
}
