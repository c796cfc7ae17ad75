"""The equations of every method once more: plain Python numbers and loops, no torch, nothing of `red`.

Each constant stands where its method uses it, and the sections are those of docs/methods.md. Losses are minimised.
`python -m tests.methods.plain` computes literal_losses.json anew from its inputs and prints what changes.
"""

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from tests.methods import plain_further
from tests.methods.plain_step import (
    TINY,
    Gain,
    Rows,
    Sequence,
    Shares,
    Step,
    Terms,
    advantage,
    clipped,
    constant,
    log_likelihood,
    mean_entropy,
    nll,
    probability,
    ratio,
    sequence_entropy,
    sequence_mean,
    sequences_of,
    sg,
    token_mean,
)

FILE = Path(__file__).with_name("literal_losses.json")


# --- the methods --------------------------------------------------------------------------------


def sft(step: Step) -> Terms:
    """Section 1."""
    taught = step.demonstrations
    return Terms(nll=nll(step, taught), c_nll=1.0, entropy=mean_entropy(step, taught))


def grpo(step: Step) -> Terms:
    """Section 2; BREAD's loss too (section 8), whose prefix is masked."""
    rows, a = step.rollouts, advantage(step, "rollouts", 1e-6)
    rollout = sequence_mean(step, rows, len(rows), lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.2))
    return Terms(rollout=rollout, entropy=mean_entropy(step, rows))


def drgrpo(step: Step) -> Terms:
    """Section 2."""
    rows, a = step.rollouts, advantage(step, "rollouts", None)
    gain = lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.2)  # noqa: E731
    rollout = constant(step, rows, len(rows), step.limit / 16, gain)
    return Terms(rollout=rollout, entropy=mean_entropy(step, rows), c_entropy=0.001)


def dapo(step: Step) -> Terms:
    """Section 3: groups with equal verdicts are left out."""
    rows, a = step.mixed("rollouts"), advantage(step, "rollouts", 1e-6)
    rollout = token_mean(step, rows, lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.28))
    return Terms(rollout=rollout, entropy=mean_entropy(step, rows))


def rl_sft(step: Step) -> Terms:
    """Section 4.6."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "rollouts", None)
    rollout = constant(step, rows, len(rows), step.limit / 16, lambda i, t: ratio(step, i, t) * a[i])
    return Terms(rollout=rollout, nll=nll(step, taught), c_nll=1.0, entropy=mean_entropy(step, rows + taught))


def _mixed(step: Step, demonstration: Gain, length: float | None) -> Terms:
    """MixPolicy and RED. `demonstration` is the ratio of its tokens; `length` None the sequence mean of Eq. 12."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "union", 1e-6)
    n = len(rows) + len(taught)
    w = {i: step.w if i in (step.marked or taught) else 1.0 for i in rows + taught}

    def average(rows: Rows, gain: Gain) -> Shares:
        return sequence_mean(step, rows, n, gain) if length is None else constant(step, rows, n, length, gain)

    return Terms(
        rollout=average(rows, lambda i, t: w[i] * clipped(ratio(step, i, t), a[i], 0.2, 0.2)),
        demonstration=average(taught, lambda i, t: w[i] * demonstration(i, t) * a[i]),
        nll=nll(step, taught),
        entropy=mean_entropy(step, rows + taught),
    )


def mix_policy(step: Step) -> Terms:
    """Section 4: pi / 1."""
    return _mixed(step, partial(probability, step), step.limit / 16)


def mix_policy_eq7(step: Step) -> Terms:
    return _mixed(step, partial(probability, step), None)


def self_ratio(step: Step) -> Terms:
    """Section 12.1: pi / sg(pi)."""
    return _mixed(step, lambda i, t: probability(step, i, t) / sg(probability(step, i, t)), step.limit / 16)


def _shift(step: Step, beta: Callable[[int], float]) -> Gain:
    """pi / sg(beta + (1 - beta) pi) (section 12.3), beta by group."""

    def rho(i: int, t: int) -> complex:
        b, pi = beta(step.sequences[i].group), probability(step, i, t)
        return pi / sg(b + (1 - b) * pi)

    return rho


def red(step: Step) -> Terms:
    """Section 12, with the constant divisor."""
    return _mixed(step, _shift(step, step.accuracy), step.limit / 16)


def red_eq12(step: Step) -> Terms:
    return _mixed(step, _shift(step, step.accuracy), None)


def red_union(step: Step) -> Terms:
    """Section 12.3: the accuracy of all members."""
    return _mixed(step, _shift(step, lambda group: step.accuracy(group, "union")), step.limit / 16)


def red_other_prompt(step: Step) -> Terms:
    """Section 12.9: the accuracy of the next prompt; the last takes the first one's."""
    groups = step.groups
    following = dict(zip(groups, groups[1:] + groups[:1], strict=True))
    return _mixed(step, _shift(step, lambda group: step.accuracy(following[group])), step.limit / 16)


def _fork(step: Step, demonstration: Gain, weighted: Rows) -> Terms:
    """Section 12.10: what the two forms of the authors' code share."""
    kept, a = [i for i, s in enumerate(step.sequences) if s.kept], advantage(step, "union", 1e-9)
    rows, taught = ([i for i in kept if step.sequences[i].is_demonstration is side] for side in (False, True))
    w = {i: step.w if i in weighted else 1.0 for i in kept}
    length = step.limit * 3000 / 8192
    return Terms(
        rollout=constant(step, rows, len(kept), length, lambda i, t: w[i] * ratio(step, i, t) * a[i]),
        demonstration=constant(step, taught, len(kept), length, lambda i, t: w[i] * demonstration(i, t) * a[i]),
        nll=nll(step, taught),
        entropy=mean_entropy(step, kept),
    )


def red_intended(step: Step) -> Terms:
    """Section 12.10: gradient through the denominator."""

    def rho(i: int, t: int) -> complex:
        b, pi = step.accuracy(step.sequences[i].group, "union"), probability(step, i, t)
        return pi / (b + (1 - b) * pi)

    return _fork(step, rho, step.demonstrations)


def red_released(step: Step) -> Terms:
    """Section 12.10: pi / 1, and w on the marked rows."""
    return _fork(step, partial(probability, step), step.marked)


def luffy(step: Step, clip: bool = True) -> Terms:
    """Section 5: pi / (pi + 0.1), gradient through it."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "union", None)
    n, length = len(rows) + len(taught), step.limit / 16

    def gain(i: int, t: int) -> complex:
        r = ratio(step, i, t)
        return clipped(r, a[i], 0.2, 0.2) if clip else r * a[i]

    def shaped(i: int, t: int) -> complex:
        pi = probability(step, i, t)
        return pi / (pi + 0.1) * a[i]

    return Terms(
        rollout=constant(step, rows, n, length, gain),
        demonstration=constant(step, taught, n, length, shaped),
        nll=nll(step, taught),
        entropy=mean_entropy(step, rows + taught),
        c_entropy=0.001,
    )


def srft(step: Step) -> Terms:
    """Section 6."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "union", 1e-6)
    n = len(rows) + len(taught)
    h = {i: sequence_entropy(step, i) for i in rows + taught}

    def signed(i: int, t: int) -> complex:
        right = step.sequences[i].accuracy == 1
        return (0.1 * math.exp(h[i]) if right else -1.0) * log_likelihood(step, i, t)

    return Terms(
        rollout=constant(step, rows, n, step.limit / 16, signed),
        demonstration=constant(step, taught, n, step.limit / 16, lambda i, t: probability(step, i, t) * a[i]),
        nll=token_mean(step, taught, lambda i, t: math.exp(-h[i]) * log_likelihood(step, i, t)),
        c_nll=0.5,
        entropy=mean_entropy(step, rows + taught),
    )


def relift(step: Step) -> Terms:
    """Section 7, the step on rollouts."""
    rows, a = step.rollouts, advantage(step, "rollouts", None)
    rollout = constant(step, rows, len(rows), step.limit / 16, lambda i, t: ratio(step, i, t) * a[i])
    return Terms(rollout=rollout, entropy=mean_entropy(step, rows), c_entropy=0.001)


def relift_finetune(step: Step) -> Terms:
    """Section 7, the step on demonstrations of hard prompts."""
    return replace(sft(step), c_entropy=0.001)


def chord(step: Step, phi: bool) -> Terms:
    """Section 9."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "rollouts", 1e-6)

    def expert(i: int, t: int) -> complex:
        pi = sg(probability(step, i, t))
        return (pi * (1 - pi) if phi else 1.0) * log_likelihood(step, i, t)

    return Terms(
        rollout=token_mean(step, rows, lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.2)),
        nll=token_mean(step, taught, expert),
        c_rollout=1 - step.mu,
        c_nll=step.mu,
        entropy=mean_entropy(step, rows + taught),
    )


def hpt(step: Step) -> Terms:
    """Section 10: a prompt that no rollout solves learns its demonstration."""
    solved = {group for group in step.groups if step.accuracy(group) > 0}
    rows = [i for i in step.rollouts if step.sequences[i].group in solved]
    taught = [i for i in step.demonstrations if step.sequences[i].group not in solved]
    a = advantage(step, "rollouts", None)
    return Terms(
        rollout=constant(step, rows, len(rows), step.limit / 16, lambda i, t: ratio(step, i, t) * a[i]),
        nll=nll(step, taught),
        c_nll=0.3,
        entropy=mean_entropy(step, rows + taught),
        c_entropy=0.001,
    )


# --- schedules ----------------------------------------------------------------------------------


def entropy_ratio(rl: list[float], sft: list[float], window: int, low: float, high: float) -> list[float]:
    """w by step (section 12.2)."""
    found = [1.0]
    for s in range(1, len(rl)):
        start = max(0, s - window)
        change_rollout = abs(1 - rl[s] / fmean(rl[start:s]))
        change_demonstration = abs(1 - sft[s] / fmean(sft[start:s]))
        found.append(min(max(change_demonstration / max(change_rollout, 1e-6), low), high))
    return found


def cosine_mu(step: int, warmup: int, decay: int, peak: float, valley: float) -> float:
    """CHORD's mu(s) (section 9)."""
    if step < warmup:
        return peak * step / warmup
    if step >= warmup + decay:
        return valley
    return valley + (peak - valley) * (1 + math.cos(math.pi * (step - warmup) / decay)) / 2


# --- cases --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What enters a step, its loss, and its schedules: `window, low, high` of w, mu by step."""

    terms: Callable[[Step], Terms]
    members: str
    weights: Callable[[list[float], list[float]], list[float]] = lambda rl, sft: [1.0] * len(rl)
    mu: Callable[[int], float] = lambda step: 0.0
    marked: bool = False


def _ratio_of(
    window: int = 1, low: float = 1.0, high: float = 8.0
) -> Callable[[list[float], list[float]], list[float]]:
    return lambda rl, sft: entropy_ratio(rl, sft, window, low, high)


def _mean_of(rl: list[float], sft: list[float]) -> list[float]:
    return [fmean(SOURCE)] * len(rl)


def _resampled(rl: list[float], sft: list[float]) -> list[float]:
    return [random.Random(f"{SEED}/{number}").choice(SOURCE) for number in range(len(rl))]


SOURCE = [1.5, 4.0, 2.0]  # the weights that another run logged
SEED = 7

METHODS = {
    "bread": Case(grpo, "rollouts"),
    "chord_mu": Case(
        partial(chord, phi=False), "expert", mu=partial(cosine_mu, warmup=0, decay=200, peak=0.9, valley=0.05)
    ),
    "chord_phi": Case(partial(chord, phi=True), "expert", mu=lambda step: 0.1),
    "dapo": Case(dapo, "rollouts"),
    "dft": Case(plain_further.dft, "demonstrations"),
    "drgrpo": Case(drgrpo, "rollouts"),
    "gac": Case(partial(chord, phi=True), "expert", mu=partial(cosine_mu, warmup=0, decay=200, peak=0.9, valley=0.05)),
    "gpg": Case(plain_further.gpg, "rollouts"),
    "grpo": Case(grpo, "rollouts"),
    "gvpo": Case(plain_further.gvpo, "rollouts"),
    "hpt": Case(hpt, "both"),
    "luffy": Case(luffy, "both"),
    "mix_policy": Case(mix_policy, "both"),
    "nft": Case(plain_further.nft, "rollouts"),
    "opd": Case(plain_further.distilled, "rollouts"),
    "opsd": Case(plain_further.distilled, "rollouts"),
    "prefix_rft": Case(plain_further.prefix_rft, "hybrids"),
    "psft": Case(plain_further.psft, "demonstrations"),
    "red": Case(red, "both", _ratio_of()),
    "red_intended": Case(red_intended, "both", _ratio_of(high=7.0)),
    "red_released": Case(red_released, "both", _ratio_of(high=7.0), marked=True),
    "redi": Case(plain_further.redi, "demonstrations"),
    "relift": Case(relift, "rollouts"),
    "rl_plus": Case(plain_further.rl_plus, "both"),
    "rl_sft": Case(rl_sft, "both"),
    "sft": Case(sft, "demonstrations"),
    "sft_rl": Case(plain_further.sft_rl, "rollouts"),
    "srft": Case(srft, "both"),
    "superrl": Case(plain_further.superrl, "both"),
    "trapo": Case(plain_further.trapo, "several"),
    "trsft": Case(plain_further.trsft, "demonstrations"),
    "uft": Case(plain_further.uft, "both"),
}

# Runs of the shipped configuration whose loss is not their method's (section 14.4).
RUNS = {
    "chord_mu": replace(METHODS["chord_mu"], mu=partial(cosine_mu, warmup=0, decay=120, peak=0.9, valley=0.05)),
    "gac": replace(METHODS["gac"], mu=partial(cosine_mu, warmup=0, decay=120, peak=0.9, valley=0.05)),
    "luffy_published": Case(partial(luffy, clip=False), "both"),
    "mix_policy_eq12": Case(mix_policy_eq7, "both"),
    "offline_self": Case(self_ratio, "both"),
    "opsd_grpo": Case(plain_further.distilled_with_reward, "rollouts"),
    "prefix_rft_half": Case(partial(plain_further.prefix_rft, top=0.5), "hybrids"),
    "prefix_rft_split": Case(partial(plain_further.prefix_rft, split=True), "hybrids"),
    "prefix_rft_tokens": Case(partial(plain_further.prefix_rft, mean=True), "hybrids"),
    "red_clip_0_g": Case(red, "both", _ratio_of(low=0.0)),
    "red_clip_1_inf": Case(red, "both", _ratio_of(high=math.inf)),
    "red_eq12": Case(red_eq12, "both", _ratio_of()),
    "red_i": Case(mix_policy, "both", _ratio_of()),
    "red_ii": Case(red, "both"),
    "red_other_prompt": Case(red_other_prompt, "both", _ratio_of()),
    "red_union": Case(red_union, "both", _ratio_of()),
    "red_w_constant": Case(red, "both", _mean_of),
    "red_w_resampled": Case(red, "both", _resampled),
    "red_w_scrambled": Case(red, "both", _ratio_of(), marked=True),
    "red_window10": Case(red, "both", _ratio_of(window=10)),
    "red_window5": Case(red, "both", _ratio_of(window=5)),
    "trapo_alpha3": Case(partial(plain_further.trapo, alpha=0.3), "several"),
    "uft_nll_10": Case(partial(plain_further.uft, c=0.01), "both"),
    "uft_nll_100": Case(partial(plain_further.uft, c=0.1), "both"),
}


def evaluate(terms: Callable[[Step], Terms], step: Step) -> dict[str, Any]:
    """Loss, its four terms, and its derivatives by every log-probability and every entropy."""
    live = [replace(s, logp=[complex(x, TINY) for x in s.logp]) for s in step.sequences]
    by_logp = terms(replace(step, sequences=live))
    live = [replace(s, entropy=[complex(x, TINY) for x in s.entropy]) for s in step.sequences]
    by_entropy = terms(replace(step, sequences=live))
    places = [[(i, t) for t in range(len(s.mask))] for i, s in enumerate(step.sequences)]
    total = math.fsum(by_logp.share(*place).real for row in places for place in row)
    return {
        "total": total,
        **{
            n: math.fsum(x.real for x in getattr(by_logp, n).values())
            for n in ("rollout", "demonstration", "nll", "entropy")
        },
        "by_logp": [[by_logp.share(*place).imag / TINY for place in row] for row in places],
        "by_entropy": [[by_entropy.share(*place).imag / TINY for place in row] for row in places],
    }


def literals(case: Case, inputs: dict[str, Any]) -> dict[str, Any]:
    """Everything that is written down of a case."""
    weights = case.weights(inputs["entropy_rollout"], inputs["entropy_demonstration"])
    step = Step(
        sequences=[Sequence(**row) for row in sequences_of(inputs, case.members)],
        limit=inputs["limit"],
        w=weights[-1],
        mu=case.mu(inputs["mu_steps"][-1]),
        marked=inputs["marked"] if case.marked else [],
    )
    return {"w": weights, "mu": [case.mu(s) for s in inputs["mu_steps"]], **evaluate(case.terms, step)}


def document(inputs: dict[str, Any]) -> dict[str, Any]:
    """The whole file."""
    return {
        "inputs": inputs,
        "methods": {name: literals(case, inputs) for name, case in METHODS.items()},
        "runs": {name: literals(case, inputs) for name, case in RUNS.items()},
    }


def main() -> None:
    """Write the file anew; say which numbers change."""
    before = json.loads(FILE.read_text())
    after = document(before["inputs"])
    for part in ("methods", "runs"):
        for name, found in after[part].items():
            old = before.get(part, {}).get(name, {})
            for key in [key for key in found if found[key] != old.get(key)]:
                print(f"{part}.{name}.{key}: {old.get(key)} -> {found[key]}")
    lines = [f' "inputs": {_rows(after["inputs"], 2)}']
    for part in ("methods", "runs"):
        cases = ",\n".join(f'  "{name}": {_rows(found, 3)}' for name, found in after[part].items())
        lines.append(f' "{part}": {{\n{cases}\n }}')
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _rows(value: dict[str, Any], depth: int) -> str:
    """One line per key; a list of lists or of objects has one line per element."""
    space = " " * depth
    lines = []
    for key, below in value.items():
        if isinstance(below, list) and below and isinstance(below[0], (list, dict)):
            inner = ",\n".join(f"{space} {json.dumps(row)}" for row in below)
            lines.append(f'{space}"{key}": [\n{inner}\n{space}]')
        else:
            lines.append(f'{space}"{key}": {json.dumps(below)}')
    return "{\n" + ",\n".join(lines) + "\n" + space[:-1] + "}"


if __name__ == "__main__":
    main()
