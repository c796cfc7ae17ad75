"""The equations of the further methods (docs/methods.md section 17) once more, as in plain.py."""

from tests.methods.plain_step import (
    Step,
    Terms,
    advantage,
    clipped,
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


def gpg(step: Step) -> Terms:
    """Section 17.3."""
    rows, a = step.mixed("rollouts"), advantage(step, "rollouts", None)
    return Terms(
        rollout=token_mean(step, rows, lambda i, t: ratio(step, i, t) * a[i]), entropy=mean_entropy(step, rows)
    )
