"""Cases of schedules, buffers and tables: what the methods do besides their loss."""

import math
from typing import Any

import numpy as np
import torch

from red.golden.kappa import kappas
from red.golden.losses import Case, mixture_of, tensors
from red.methods.base import Group, Problem, Sequence, cut, overlong_penalty
from red.methods.bread import AnchorSearch
from red.methods.gac import NoiseControl
from red.methods.prefix_rft import OneHybrid
from red.methods.relift import HardBuffer
from red.methods.trapo import MicroGroups
from red.methods.uft import FadingPrefix
from red.models import singular
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan
from red.objective.noise import gradient_noise
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import NLL, Advantage, DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight
from red.objective.vocabulary import logp_and_entropy
from red.training import measures
from red.training.schedule import mixture_mu
from red.training.weight import StepEntropy, WeightSchedule

COSINE = 4e-15
"""How exactly a product of two orthonormal matrices is known."""


def w_schedule(case: Case) -> dict[str, Any]:
    """RED's w by step."""
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


def step_entropy(case: Case) -> dict[str, Any]:
    """The two entropies of a step."""
    batch, members = tensors(case["inputs"]["sequences"])
    kinds = members.pure_rollout_s, members.demonstration_s
    entropy = measures.step_entropy(batch.entropy_st, batch.mask_st, *kinds)
    return {"H_rl": entropy.rollout, "H_sft": entropy.demonstration}


def rho_table(case: Case) -> dict[str, Any]:
    """Ratios and coefficients by beta and pi."""
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


def kappa_table(case: Case) -> dict[str, Any]:
    """Coefficients of demonstration tokens by method."""
    return {"rows": [{"pi": row["pi"], **kappas(row["pi"])} for row in case["expected"]["rows"]]}


def entropy_sign(case: Case) -> dict[str, Any]:
    """How the entropy of a softmax moves with one of its logits."""
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


def relift_buffer(case: Case) -> dict[str, Any]:
    """What waits, and what is learned when."""
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


def bread_eas(case: Case) -> dict[str, Any]:
    """Probes and the anchor."""
    config, counts, probes = case["config"], case["inputs"]["success_count_by_k"], []
    search = AnchorSearch(config["K"], *config["range"])
    while counts[0] == 0 and (k := search.probe()) is not None:
        probes.append(k)
        search.report(counts[k] / config["G"])
    return {"probes": probes, "anchor_k": search.anchor()}


def overlong(case: Case) -> dict[str, Any]:
    """Penalties by length."""
    config = case["config"]
    return {"penalty": [overlong_penalty(n, config["max_len"], config["buffer"]) for n in case["inputs"]["length"]]}


def mu_schedule(case: Case) -> dict[str, Any]:
    """CHORD's mu by step."""
    return {"mu": [mixture_mu(s, mixture_of(case["config"])) for s in case["inputs"]["steps"]]}


def uft_hint(case: Case) -> dict[str, Any]:
    """Chances, chunks and sentences by step."""
    config, rows = case["config"], case["inputs"]
    mix = FadingPrefix(
        chunks=config["chunks"], first=config["high"], last=config["low"], prefix_steps=config["hint_steps"]
    )
    chances = [mix.chance(step - 1) for step in rows["step"]]
    shown = zip(rows["draws"], rows["step"], rows["sentences"], strict=True)
    return {
        "p": chances,
        # Of as many sentences as there are chunks, each chunk shown is one.
        "chunks": [mix.shown(d, s - 1, mix.chunks) for d, s in zip(rows["draws"], rows["step"], strict=True)],
        "sentences_shown": [mix.shown(draws, step - 1, count) for draws, step, count in shown],
    }


def prefix_schedule(case: Case) -> dict[str, Any]:
    """Prefix-RFT's least share, drawn share, and tokens by step."""
    config, rows = case["config"], case["inputs"]
    mix = OneHybrid(longest=config["high"], shortest=config["low_end"], decay=config["decay_steps"])
    shares = [mix.share(step, draw) for step, draw in zip(rows["step"], rows["u"], strict=True)]
    return {
        "low": [mix.least(step) for step in rows["step"]],
        "share": shares,
        "cut": [cut(share, tokens) for share, tokens in zip(shares, rows["demonstration_tokens"], strict=True)],
    }


def trapo_groups(case: Case) -> dict[str, Any]:
    """The share that each of TRAPO's micro-groups begins with."""
    config = case["config"]
    mix = MicroGroups(sizes=tuple(config["sizes"]), ratios=tuple(config["ratios"]), limits=tuple(config["limits"]))
    return {"ratio_given": [_given(mix, rewards) for rewards in case["inputs"]["rewards"]]}


def _given(mix: MicroGroups, rewards: list[list[float]]) -> list[float]:
    return [mix.given(number, sum(rewards[:number], [])) for number in range(len(mix.sizes))]


def gac_mu(case: Case) -> dict[str, Any]:
    """GAC's share of noise and mu by step."""
    config, rows = case["config"], case["inputs"]
    control = NoiseControl(
        decay=config["stat_ema"],
        mu_decay=config["mu_ema"],
        cap=config["cap"],
        start_at=config["start"],
        low=config["min"],
        high=config["max"],
        gap_share=config["alpha"],
        prior_share=config["prior_share"],
    ).start()
    found: dict[str, Any] = {"raw": [], "mu": []}
    for *measured, prior in zip(rows["sigma_r2"], rows["sigma_s2"], rows["delta2"], rows["prior"], strict=True):
        control.step(prior, (measured[0], measured[1], measured[2]))
        found["raw"].append(control.share)
        found["mu"].append(control.mu)
    return found


def gac_statistics(case: Case) -> dict[str, Any]:
    """What GAC measures."""
    batch, members = tensors(case["inputs"]["sequences"])
    spec = ObjectiveSpec(advantage=Advantage(std=case["config"]["std"], eps=case["config"]["adv_eps"]))
    noise = gradient_noise(batch, NLL(token_weight=case["config"]["token_weight"]), plan(members, spec))
    if noise is None:
        return {}
    return {"sigma_r2": noise.rollout, "sigma_s2": noise.demonstration, "delta2": noise.gap}


def sft_probability(last_sft_norm: float, warmup_norm: float, gamma: float) -> float:
    """SASR's chance that the next step is supervised (docs/methods.md section 11: a gate, not a method)."""
    return last_sft_norm / (last_sft_norm + gamma * warmup_norm)


def sasr(case: Case) -> dict[str, Any]:
    """The gate of SASR."""
    norms = case["inputs"]
    return {"p_sft": sft_probability(norms["g_last_sft"], norms["g_warmup"], case["config"]["gamma"])}


def rotation(case: Case) -> dict[str, Any]:
    """Singular values and vectors of two matrices, and each with the vectors of one and the values of the other."""
    a, b = (np.array(case["inputs"][name]) for name in "ab")
    before, after, top = singular.factors(a), singular.factors(b), case["config"]["top"]
    energy = singular.energy(before, b - a)
    return {
        "sigma_a": before.values.tolist(),
        "sigma_b": after.values.tolist(),
        "relative_change": singular.relative_change(before, after).tolist(),
        "angle_left": _seen(case["expected"]["angle_left"], singular.angles(before.left[:, :top], after.left[:, :top])),
        "angle_right": _seen(
            case["expected"]["angle_right"], singular.angles(before.right[:, :top], after.right[:, :top])
        ),
        "energy_diagonal": energy.diagonal,
        "energy_in_span": energy.in_span,
        "vectors_restored": singular.composed(vectors=before, values=after).tolist(),
        "values_restored": singular.composed(vectors=after, values=before).tolist(),
    }


def _seen(expected: list[float], found: singular.Floats) -> list[float]:
    """The angles, each as it is expected where arccos cannot tell the two apart: their cosines round alike."""
    pairs = zip(expected, found.tolist(), strict=True)
    return [e if math.isclose(math.cos(e), math.cos(f), rel_tol=0, abs_tol=COSINE) else f for e, f in pairs]


def clip_ratio(case: Case) -> dict[str, Any]:
    """Out of range, and silenced by the clip."""
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
