"""What happens when numbers go wrong: skip and count, save the update for replay, then stop."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from red.engines.step import UpdateStep
from red.errors import DataError, NumericalError
from red.methods.base import Group, Problem, Sequence
from red.models import checkpoint as checkpoints
from red.objective.loss import objective
from red.objective.spec import ObjectiveSpec
from red.records import from_mapping, to_mapping
from red.storage import read_json, write_directory

CONSECUTIVE = 3
# Section 6.5: the signed objective is unbounded below on wrong rollouts.
EXPLODED_LOGP = -6.0
EXPLODED_STEPS = 5


@dataclass(frozen=True)
class Update:
    """One optimizer step as it can be repeated: members, loss, and schedule values."""

    step: int
    groups: Seq[Group]
    objective: ObjectiveSpec
    weight: float
    mu: float | None
    temperature: float


class Guard:
    """Judges each update. `skipped` counts updates left out; `stopped` says why a run ended early."""

    def __init__(self, failed: Path, signed: bool) -> None:
        self.failed = failed
        self.signed = signed
        self.skipped = 0
        self.in_a_row = 0
        self.exploded = 0
        self.stopped = ""

    def accepts(
        self, loss: float, norm: float, update: Update, checkpoint: Callable[[], checkpoints.Checkpoint]
    ) -> bool:
        """Whether to apply the update. NumericalError after three bad ones in a row."""
        if math.isfinite(loss) and math.isfinite(norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        save_update(self.failed, update, checkpoint())
        if self.in_a_row == CONSECUTIVE:
            raise NumericalError(
                f"step {update.step}: loss {loss}, gradient norm {norm}, {CONSECUTIVE} updates in a "
                f"row; replay the last one with: python -m red replay {self.failed}"
            )
        return False

    def watch(self, wrong_logp: float | None) -> None:
        """Stop rule of the signed objective: mean log pi of wrong rollouts under -6 for 5 steps."""
        low = self.signed and wrong_logp is not None and wrong_logp < EXPLODED_LOGP
        self.exploded = self.exploded + 1 if low else 0
        if self.exploded == EXPLODED_STEPS:
            self.stopped = f"log pi of wrong rollouts under {EXPLODED_LOGP} for {EXPLODED_STEPS} steps"

    def state(self) -> dict[str, Any]:
        """Counters; `load` restores them."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "exploded": self.exploded, "stopped": self.stopped}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.skipped, self.in_a_row = state["skipped"], state["in_a_row"]
        self.exploded, self.stopped = state["exploded"], state["stopped"]


def save_update(path: Path, update: Update, checkpoint: checkpoints.Checkpoint) -> None:
    """`update.json` and the weights it was made with, as one folder."""
    document = {
        "step": update.step,
        "weight": update.weight,
        "mu": update.mu,
        "temperature": update.temperature,
        "objective": to_mapping(update.objective),
        "groups": [asdict(group) for group in update.groups],
    }

    def fill(folder: Path) -> None:
        (folder / "update.json").write_text(json.dumps(document))
        checkpoints.save(checkpoint, folder / "model")

    write_directory(path, fill)


def replay(folder: Path) -> Iterator[str]:
    """Repeat a saved update; lines that say where numbers stop being finite.

    Old log-probabilities are those of the saved weights, so every online ratio is 1.
    """
    saved = read_json(folder / "update.json")
    try:
        spec = from_mapping(ObjectiveSpec, saved["objective"], "objective")
        groups = [
            Group(
                Problem(**g["problem"]),
                tuple(
                    Sequence(**{**m, "prompt": tuple(m["prompt"]), "response": tuple(m["response"])})
                    for m in g["members"]
                ),
            )
            for g in saved["groups"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder / 'update.json'}: not a saved update ({error})") from None
    model = checkpoints.load(folder / "model").model
    step = UpdateStep.of(groups, spec, saved["weight"], saved["mu"])
    now = step.forward(model, saved["temperature"], 8192)
    loss = objective(now.batch(), spec, step.plan)
    yield f"step {saved['step']}: {len(step.sequences)} sequences, w = {saved['weight']}"
    for name in ("total", "online", "offline", "nll", "entropy"):
        yield f"loss/{name} = {getattr(loss, name).item()}"
    for index, values in enumerate(now.logp):
        if not torch.isfinite(values).all():
            yield f"sequence {index}: log-probabilities are not finite"
    loss.total.backward()
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            yield f"{name}: weights are not finite"
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            yield f"{name}: gradient is not finite"
