"""What happens when numbers go wrong: skip and count, save the update for replay, then stop."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from red.errors import NumericalError, foreign
from red.models import checkpoint as checkpoints
from red.models.passes import Pair, forward
from red.objective.batch import Plan
from red.objective.loss import objective
from red.objective.spec import ObjectiveSpec
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import dump_json, read_object, write_directory
from red.training.update import Update, UpdateResult, pairs

CONSECUTIVE = 3
# An objective that pushes log pi itself down is unbounded below: SRFT's on wrong rollouts, REDI's on wrong traces.
EXPLODED_LOGP = -6.0
EXPLODED_STEPS = 5
TOKENS_PER_FORWARD = 8192


class Guard:
    """Judges each update. `skipped` counts updates left out, `in_a_row` those that were not finite; `stopped` says why
    a run ended early."""

    def __init__(self, failed: Path, spec: ObjectiveSpec, temperature: float) -> None:
        self.failed = failed
        self.signed = bool(spec.nll.negative) or (spec.rollout is not None and spec.rollout.kind == "logp_signed")
        self.temperature = temperature
        self.skipped = 0
        self.in_a_row = 0
        self.exploded = 0
        self.stopped = ""

    def accepts(self, result: UpdateResult, update: Update, checkpoint: Callable[[], checkpoints.Checkpoint]) -> bool:
        """Whether the update was applied. NumericalError after three in a row that were not finite."""
        loss = result.terms["total"]
        if math.isfinite(loss) and math.isfinite(result.norm):
            self.in_a_row = 0
            large = result.norm > update.largest_norm
            self.skipped += large
            return not large
        self.skipped += 1
        self.in_a_row += 1
        save_update(self.failed, update, self.temperature, checkpoint())
        if self.in_a_row == CONSECUTIVE:
            raise NumericalError(
                f"step {update.step}: loss {loss}, gradient norm {result.norm}, {CONSECUTIVE} updates in a "
                f"row; replay the last one with: python -m red replay {self.failed}"
            )
        return False

    def watch(self, wrong_logp: float | None) -> None:
        """Stop rule of a signed objective: mean log pi of wrong members under -6 for 5 steps."""
        low = self.signed and wrong_logp is not None and wrong_logp < EXPLODED_LOGP
        self.exploded = self.exploded + 1 if low else 0
        if self.exploded == EXPLODED_STEPS:
            self.stopped = f"log pi of wrong members under {EXPLODED_LOGP} for {EXPLODED_STEPS} steps"

    def state(self) -> dict[str, Any]:
        """Counters; `load` restores them."""
        names = ("skipped", "in_a_row", "exploded", "stopped")
        return {name: getattr(self, name) for name in names}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.skipped, self.in_a_row = state["skipped"], state["in_a_row"]
        self.exploded, self.stopped = state["exploded"], state["stopped"]


def save_update(path: Path, update: Update, temperature: float, checkpoint: checkpoints.Checkpoint) -> None:
    """`update.json` (texts as token ids, loss, plan) and the weights it was made with, as one folder."""
    document = {
        "step": update.step,
        "temperature": temperature,
        "objective": to_mapping(update.spec),
        "pairs": pairs(update.sequences),
        "plan": {
            field.name: value.tolist() if isinstance(value, Tensor) else value
            for field in fields(Plan)
            for value in [getattr(update.plan, field.name)]
        },
    }

    def fill(folder: Path) -> None:
        (folder / "update.json").write_text(dump_json(document), encoding="utf-8")
        checkpoints.save(checkpoint, folder / "model")

    write_directory(path, fill)


def replay(folder: Path) -> Iterator[str]:
    """Repeat a saved update; lines that say where numbers stop being finite.

    Old log-probabilities are those of the saved weights, so every ratio is 1, and no teacher is asked.
    """
    path = folder / "update.json"
    saved, model = read_object(path), checkpoints.load(folder / "model").model
    with foreign(f"{path}: not a saved update"):
        spec = from_mapping(ObjectiveSpec, saved["objective"], "objective")
        texts: list[Pair] = [(prompt, response) for prompt, response in saved["pairs"]]
        values: dict[str, Any] = {
            name: torch.tensor(v) if isinstance(v, list) else v for name, v in saved["plan"].items()
        }
        plan, step, temperature = Plan(**values), saved["step"], saved["temperature"]
        now = forward(model, texts, temperature, TOKENS_PER_FORWARD)
        loss = objective(now.batch(now), spec, plan)
        loss.total.backward()
    yield f"step {step}: {len(texts)} sequences, w at most {plan.weight_s.max().item()}"
    for name, value in loss.values().items():
        yield f"loss/{name} = {value}"
    for index, row in enumerate(now.logp):
        if not torch.isfinite(row).all():
            yield f"sequence {index}: log-probabilities are not finite"
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            yield f"{name}: weights are not finite"
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            yield f"{name}: gradient is not finite"
