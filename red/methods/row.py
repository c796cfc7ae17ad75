"""A method's row in the table of methods: what its spec says of groups, advantage, terms, schedules; and its source."""

import importlib
import re

from red.methods.base import Method
from red.objective.spec import NLL, DemonstrationTerm, ObjectiveSpec, RolloutTerm

COLUMNS = ("members of a group", "advantage", "on rollouts", "on demonstrations", "aggregation", "schedules", "source")
RATIOS = {
    "ratio_one": "π",
    "ratio_self": "π/sg(π)",
    "ratio_old": "π/π_old",
    "shift": "π/sg(β+(1-β)π)",
    "shift_through": "π/(β+(1-β)π)",
    "shape": "π/(π+{gamma:g})",
    "trust": "π/sg(max(π, {alpha:g}))",
    "mixture_is": "4π/(3π_old+1) sg(1-π)^{focus:g}",
}
TOKEN_WEIGHTS = {"one": "", "phi": " weighted by π(1-π)", "probability": " weighted by π", "exp_neg_entropy": " e^-H"}
MEANS = {"seq_mean": "sequence mean", "token_mean": "token mean", "const": "constant"}
SOURCE = re.compile(r"\((arXiv \d+\.\d+|Eq\. [\d-]+|the authors' code|tinker-cookbook)[,)]")


def row(name: str, method: Method, group_size: int) -> tuple[str, ...]:
    """Texts by column; "–" where a method has nothing of the kind."""
    spec = method.objective
    texts = (
        _members(method, group_size),
        _advantage(spec),
        _rollouts(spec),
        _demonstrations(method),
        _aggregation(spec),
        _schedules(method),
        source(name),
    )
    return tuple(text or "–" for text in texts)


def source(name: str) -> str:
    """What the method's docstring has in parentheses: a paper, an equation of RED's, or the code of its authors."""
    found = SOURCE.search(importlib.import_module(f"red.methods.{name}").__doc__ or "")
    return found[1] if found else ""


def _members(method: Method, group_size: int) -> str:
    told = method.mix.told(group_size)
    if method.objective.gate is not None:
        return f"{told.partition(' ')[0]}, or 0 + 1 where r_group is at most {method.objective.gate:g}"
    return told


def _advantage(spec: ObjectiveSpec) -> str:
    alone = "1" if spec.demonstration.kind != "none" and spec.demonstration.advantage == "one" else ""
    if spec.rollout is None:
        return alone
    if spec.rollout.kind == "nft":
        return "1 - r_group or -r_group"
    one = spec.advantage
    told = ("over rollouts" if one.over == "rollouts" else "union") + ", std" * one.std
    if one.teacher:
        own = {0.0: "", 1.0: f"{told} + "}.get(one.reward, f"{one.reward:g} ({told}) + ")
        told = own + ("" if one.teacher == 1 else f"{one.teacher:g} ") + "log π_T/π_old"
    return f"{told}; {alone} on demonstrations" if alone else told


def _rollouts(spec: ObjectiveSpec) -> str:
    if spec.rollout is None:
        return ""
    share = "(1-μ) " if spec.mixture else ""
    match spec.rollout.kind:
        case "ratio":
            return f"{share}π/π_old{_clip(spec.rollout)}"
        case "logp_signed":
            return f"log π, {spec.rollout.scale:g} e^H where right, -1 where wrong"
        case "nft":
            return "log R where right, log (1 - r R)/(1 - r) where wrong"
        case "gvpo":
            return f"{spec.rollout.beta:g} Σ log π/π_old fitted to A"


def _demonstrations(method: Method) -> str:
    spec, parts = method.objective, []
    term = spec.demonstration
    if term.kind != "none":
        w = "w " if spec.weight.kind != "constant" and spec.weight.target == "demonstrations" else ""
        top = "" if term.top_entropy == 1 else f", top {100 * term.top_entropy:g} % by H"
        parts.append(f"{w}{RATIOS[term.kind].format(**vars(term))}{_clip(term)}{top}")
    if spec.nll.coefficient or spec.mixture:
        parts.append(f"{_coefficient(spec)}NLL{TOKEN_WEIGHTS[spec.nll.token_weight]}")
    if spec.nll.negative is not None:
        parts.append(f"-{spec.nll.negative:g} NLL of wrong traces")
    if method.second_step is not None:
        parts.append(f"NLL in a step of its own ({method.second_step.name})")
    return "; ".join(parts)


def _coefficient(spec: ObjectiveSpec) -> str:
    if spec.mixture:
        return "μ "
    return "" if spec.nll.coefficient == 1 else f"{spec.nll.coefficient:g} "


def _clip(term: RolloutTerm | DemonstrationTerm) -> str:
    if term.clip_low is None or term.clip_high is None:
        return ""
    return f", clip {term.clip_low:g}" + f"/{term.clip_high:g}" * (term.clip_high != term.clip_low)


def _aggregation(spec: ObjectiveSpec) -> str:
    """Of the policy-gradient terms, and of the NLL beside them where it is another."""
    policy = [MEANS[spec.aggregation.kind]] if spec.rollout or spec.demonstration.kind != "none" else []
    if spec.residual is not None:
        policy = ["groups"]
    supervised = [MEANS[spec.nll.aggregation]] if spec.nll != NLL() or spec.mixture else []
    bonus = [f"{spec.entropy_coef:g} H"] if spec.entropy_coef else []
    return " + ".join(dict.fromkeys([*policy, *supervised, *bonus]))


def _schedules(method: Method) -> str:
    spec, parts = method.objective, []
    if method.teacher is not None:
        told = {"model": "another model", "itself": "itself behind the demonstration"}[method.teacher.who]
        parts.append(f"T: {told}")
    if spec.weight.kind == "entropy_ratio":
        high = "∞" if spec.weight.high is None else f"{spec.weight.high:g}"
        on = "" if spec.weight.target == "demonstrations" else ", on random members"
        parts.append(f"w in [{spec.weight.low:g}, {high}]{on}")
    if method.mixture_control is not None:
        parts.append("μ by the gradients' noise")
    elif spec.mixture is not None:
        one = spec.mixture
        parts.append(f"μ {one.peak:g}" + (f" to {one.valley:g} in {one.decay} steps" if one.peak != one.valley else ""))
    return "; ".join([*parts, *filter(None, [method.mix.schedule()])])
