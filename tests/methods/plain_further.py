"""The equations of the further methods (docs/methods.md section 17) once more, as in plain.py."""

import cmath

from tests.methods.plain_step import (
    Gain,
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
