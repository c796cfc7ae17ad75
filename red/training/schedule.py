"""What follows from the step number and the configuration alone."""

from collections.abc import Sequence as Seq
from pathlib import Path

from red.errors import DataError
from red.methods.base import Group, faded
from red.objective.spec import Mixture, ObjectiveSpec
from red.plumbing.records import FLOAT_MAX
from red.plumbing.storage import read_jsonl
from red.training.spec import Training
from red.training.update import Enrolment


def learning_rate(step: int, training: Training) -> float:
    """Rate of the update number `step` (from 0): linear warm-up, then the schedule."""
    steps = training.lr_steps or training.steps
    warmup = training.warmup * steps
    if step < warmup:
        return training.lr * (step + 1) / max(warmup, 1)
    progress = min(1.0, (step - warmup) / max(steps - warmup, 1))
    match training.lr_schedule:
        case "constant":
            factor = 1.0
        case "linear":
            factor = 1 - progress
        case "cosine":
            factor = faded(1.0, 0.0, progress)
    return training.lr * (training.lr_floor + (1 - training.lr_floor) * factor)


def mixture_mu(step: int, spec: Mixture) -> float:
    """CHORD's mu(s): linear warm-up to `peak`, then valley + (peak - valley) (1 + cos(pi t)) / 2, t from 0 to 1."""
    if step < spec.warmup:
        return step / spec.warmup * spec.peak
    if step >= spec.warmup + spec.decay:
        return spec.valley
    return faded(spec.peak, spec.valley, (step - spec.warmup) / spec.decay)


def logged_w(metrics: Path | None) -> list[float]:
    """The w of each step that another run logged, in order."""
    if metrics is None:
        return []
    values = [row["red/w"] for row in read_jsonl(metrics) if "red/w" in row]
    if not all(type(value) in (int, float) and abs(value) <= FLOAT_MAX for value in values):
        raise DataError(f"{metrics}: a red/w is no finite number; restore the file")
    if not values:
        raise DataError(
            f"{metrics}: no red/w in any row; weight.source must be a run that has rollouts and demonstrations"
        )
    return [float(value) for value in values]


def shares(groups: Seq[Group], training: Training, spec: ObjectiveSpec) -> list[list[Group]]:
    """The groups of each optimizer step."""
    if training.sequences_per_update is None:
        return split(groups, training.updates_per_rollout)
    sizes = [len(Enrolment.of([group], spec).sequences) for group in groups]
    return packed(groups, sizes, training.sequences_per_update)


def packed(groups: Seq[Group], sizes: Seq[int], most: int) -> list[list[Group]]:
    """Consecutive shares whose sizes add up to at most `most`; a larger group has a share of its own."""
    found: list[list[Group]] = []
    total = 0
    for group, size in zip(groups, sizes, strict=True):
        if not found or total + size > most:
            found.append([])
            total = 0
        found[-1].append(group)
        total += size
    return found


def split(groups: Seq[Group], parts: int) -> list[list[Group]]:
    """Consecutive shares of the groups, one per optimizer step; the last takes the rest."""
    size = max(1, len(groups) // parts)
    shares = [list(groups[i * size : (i + 1) * size]) for i in range(parts - 1)]
    return [share for share in [*shares, list(groups[(parts - 1) * size :])] if share]
