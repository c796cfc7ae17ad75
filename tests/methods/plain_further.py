"""The equations of the further methods (docs/methods.md section 17) once more, as in plain.py."""

import cmath
import math
from collections.abc import Callable
from functools import partial
from statistics import fmean, pvariance

from tests.methods.plain_step import (
    Gain,
    Rows,
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
    sequence_mean,
    sg,
    token_mean,
)


def dft(step: Step) -> Terms:
    """Section 17.1."""
    taught = step.demonstrations
    weighted = token_mean(step, taught, lambda i, t: sg(probability(step, i, t)) * log_likelihood(step, i, t))
    return Terms(nll=weighted, c_nll=1.0, entropy=mean_entropy(step, taught))


def superrl(step: Step) -> Terms:
    """Section 17.2."""
    failed = {group for group in step.groups if step.accuracy(group) == 0}
    rows = [i for i in step.rollouts if step.sequences[i].group not in failed]
    taught = [i for i in step.demonstrations if step.sequences[i].group in failed]
    a = advantage(step, "rollouts", 1e-6)
    return Terms(
        rollout=token_mean(step, rows, lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.2)),
        nll=nll(step, taught),
        c_nll=1.0,
        entropy=mean_entropy(step, rows + taught),
    )


def sft_rl(step: Step) -> Terms:
    """Section 17.8."""
    rows, a = step.rollouts, advantage(step, "rollouts", None)
    gain = lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.28)  # noqa: E731
    return Terms(rollout=token_mean(step, rows, gain), entropy=mean_entropy(step, rows))


def gpg(step: Step) -> Terms:
    """Section 17.3."""
    rows, a = step.mixed("rollouts"), advantage(step, "rollouts", None)
    return Terms(
        rollout=token_mean(step, rows, lambda i, t: ratio(step, i, t) * a[i]), entropy=mean_entropy(step, rows)
    )


def _demonstrations_alone(step: Step, gain: Gain) -> Terms:
    taught = step.demonstrations
    return Terms(
        demonstration=token_mean(step, taught, gain), nll=nll(step, taught), entropy=mean_entropy(step, taught)
    )


def trsft(step: Step) -> Terms:
    """Section 17.4."""
    return _demonstrations_alone(step, lambda i, t: probability(step, i, t) / max(sg(probability(step, i, t)), 0.1))


def psft(step: Step) -> Terms:
    """Section 17.5."""
    return _demonstrations_alone(step, lambda i, t: clipped(ratio(step, i, t), 1.0, 0.2, 0.28))


def rl_plus(step: Step) -> Terms:
    """Section 17.6."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "union", None)
    n, length = len(rows) + len(taught), step.limit / 16

    def mixture(i: int, t: int) -> complex:
        pi, old = probability(step, i, t), cmath.exp(step.sequences[i].old_logp[t])
        return 2 * pi / (old + (old + 1) / 2) * (1 - sg(pi)) ** 0.5 * a[i]

    return Terms(
        rollout=constant(step, rows, n, length, lambda i, t: ratio(step, i, t) * a[i]),
        demonstration=constant(step, taught, n, length, mixture),
        nll=nll(step, taught),
        entropy=mean_entropy(step, rows + taught),
        c_entropy=0.001,
    )


def uft(step: Step, c: float = 0.001) -> Terms:
    """Section 17.9: the demonstrations are the prefixes."""
    rows, taught, a = step.rollouts, step.demonstrations, advantage(step, "rollouts", 1e-6)
    return Terms(
        rollout=token_mean(step, rows, lambda i, t: clipped(ratio(step, i, t), a[i], 0.2, 0.2)),
        nll=nll(step, taught),
        c_nll=c,
        entropy=mean_entropy(step, rows + taught),
    )


def prefix_chance(step: int, steps: int) -> float:
    """Section 17.9: of a chunk."""
    return 0.05 + 0.45 * (1 + math.cos(math.pi * (step + 1) / steps)) if step < steps else 0.0


def noise(step: Step) -> list[float]:
    """Section 17.10: r, s and d."""
    a = advantage(step, "rollouts", 1e-6)
    taught = sorted(
        fmean(-sg(step.sequences[i].logp[t]) for t in step.sequences[i].counted) for i in step.demonstrations
    )
    cut = max(1, len(taught) // 10) if len(taught) >= 4 else 0
    gaps = []
    for i, sequence in enumerate(step.sequences):
        own = 0.0 if sequence.is_demonstration else a[i]
        shares = [sg(probability(step, i, t)) for t in sequence.counted]
        gaps.append(fmean((own - pi * (1 - pi)) ** 2 for pi in shares))
    return [pvariance(a[i] for i in step.rollouts), pvariance(taught[cut : len(taught) - cut]), fmean(gaps)]


def _in_parts(step: Step, rollout: Gain, copied: Gain, average: Callable[[Rows, Gain], Shares]) -> Terms:
    """Sampled tokens with one gain, those of demonstrations and prefixes with another, all in every divisor."""
    rows = list(range(len(step.sequences)))
    places = {(i, t) for i in rows for t in step.sequences[i].copied}
    one, other = average(rows, rollout), average(rows, copied)
    return Terms(
        rollout={place: share for place, share in one.items() if place not in places},
        demonstration={place: share for place, share in other.items() if place in places},
        nll=nll(step, step.demonstrations),
        entropy=mean_entropy(step, rows),
    )


def prefix_rft(step: Step, top: float = 0.2, mean: bool = False, split: bool = False) -> Terms:
    """Section 17.11; with `mean` over tokens, with `split` the released estimator."""
    a = advantage(step, "rollouts" if split else "union", None)
    # Over the rollouts' rewards alone: the prefix against their mean, what follows it against nobody.
    of_prefix = {i: step.sequences[i].reward - _mean_reward(step, i) if split else a[i] for i in step.hybrids}
    kept = set()
    for i in step.hybrids:
        sequence = step.sequences[i]
        by_entropy = sorted((-sequence.entropy[t].real, t) for t in sequence.copied)
        kept |= {(i, t) for _, t in by_entropy[: math.ceil(round(top * len(by_entropy), 9))]}

    def copied(i: int, t: int) -> complex:
        if (i, t) not in kept:
            return 0.0
        return ratio(step, i, t) * of_prefix[i] if split else clipped(ratio(step, i, t), of_prefix[i], 0.2, 0.2)

    def average(rows: Rows, gain: Gain) -> Shares:
        return token_mean(step, rows, gain) if mean else constant(step, rows, len(rows), step.limit / 16, gain)

    return _in_parts(step, lambda i, t: clipped(ratio(step, i, t), a.get(i, 0.0), 0.2, 0.2), copied, average)


def _mean_reward(step: Step, i: int) -> float:
    others = step.members(step.sequences[i].group, "rollouts")
    return fmean(step.sequences[k].reward for k in others) if len(others) > 1 else 0.0


def trapo(step: Step, alpha: float = 0.1) -> Terms:
    """Section 17.12."""
    a = advantage(step, "union", None)

    def copied(i: int, t: int) -> complex:
        pi = probability(step, i, t)
        return pi / max(sg(pi), alpha) if step.sequences[i].prefix_kept else 0.0

    return _in_parts(
        step,
        lambda i, t: ratio(step, i, t) * a[i],
        copied,
        lambda rows, gain: constant(step, rows, len(rows), step.limit / 16, gain),
    )


def nft(step: Step) -> Terms:
    """Section 17.7."""
    rows = step.mixed("rollouts")

    def gain(i: int, t: int) -> complex:
        sequence = step.sequences[i]
        r = min(max(step.accuracy(sequence.group), 0.02), 0.98)
        if sequence.accuracy == 1:
            return (1 - r) * (sequence.logp[t] - sequence.old_logp[t])
        x = (1 - r * ratio(step, i, t)) / (1 - r)
        return (1 - r) * cmath.log(complex(max(x.real, 1.0), x.imag))

    return Terms(rollout=constant(step, rows, len(rows), step.limit / 16, gain), entropy=mean_entropy(step, rows))


def redi(step: Step) -> Terms:
    """Section 17.13: each kind of trace has a mean of its own."""
    taught = step.demonstrations
    right = [i for i in taught if step.sequences[i].accuracy == 1]
    wrong = [i for i in taught if step.sequences[i].accuracy == 0]
    gain = partial(log_likelihood, step)
    pushed = {place: -0.8 * share for place, share in sequence_mean(step, wrong, len(wrong), gain).items()}
    return Terms(
        nll=sequence_mean(step, right, len(right), gain) | pushed, c_nll=1.0, entropy=mean_entropy(step, taught)
    )


def _teachers(step: Step, i: int, t: int) -> float:
    """log pi_T - log pi_old, at least -10; 0 where the teacher says nothing."""
    sequence = step.sequences[i]
    if sequence.teacher_logp is None:
        return 0.0
    return max(sequence.teacher_logp[t] - sequence.old_logp[t], -10.0)


def distilled(step: Step) -> Terms:
    """Sections 17.14 and 17.15."""
    rows = step.rollouts
    gain = lambda i, t: ratio(step, i, t) * _teachers(step, i, t)  # noqa: E731
    return Terms(rollout=token_mean(step, rows, gain), entropy=mean_entropy(step, rows))


def distilled_with_reward(step: Step) -> Terms:
    """Section 17.15, beside GRPO's advantage."""
    rows, a = step.rollouts, advantage(step, "rollouts", 1e-6)
    gain = lambda i, t: clipped(ratio(step, i, t), a[i] + 0.1 * _teachers(step, i, t), 0.2, 0.2)  # noqa: E731
    return Terms(rollout=token_mean(step, rows, gain), entropy=mean_entropy(step, rows))


def gvpo(step: Step) -> Terms:
    """Section 17.16. A sequence's loss is no sum over tokens: it stands at the first one, derivatives at their own."""
    gain = {
        i: 0.1 * math.fsum(sg(s.logp[t]) - s.old_logp[t] for t in s.counted)
        for i, s in enumerate(step.sequences)
        if i in step.rollouts
    }
    found: Shares = {}
    for group in step.groups:
        rows = step.members(group, "rollouts")
        mean_gain, mean_reward = fmean(gain[i] for i in rows), fmean(step.sequences[i].reward for i in rows)
        for i in rows if len(rows) > 1 else ():
            residual = gain[i] - mean_gain - (step.sequences[i].reward - mean_reward)
            share = 1 / (len(step.groups) * (len(rows) - 1))
            for place, t in enumerate(step.sequences[i].counted):
                own = step.sequences[i].logp[t]
                whole = residual**2 / 2 if place == 0 else 0.0
                found[i, t] = share * (whole + residual * 0.1 * (own - sg(own)))
    return Terms(rollout=found, entropy=mean_entropy(step, step.rollouts))
