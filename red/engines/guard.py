"""What happens when numbers go wrong: skip and count, save the batch for replay, then stop."""

import math
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from red.config import RunSpec
from red.errors import NumericalError
from red.methods.base import Sequence
from red.records import to_mapping
from red.storage import write_directory

CONSECUTIVE = 3
# Section 6.5: the signed objective is unbounded below on wrong rollouts.
EXPLODED_LOGP = -6.0
EXPLODED_STEPS = 5


class Guard:
    """Judges each update. `skipped` counts updates left out; `stopped` says why a run ended early."""

    def __init__(self, out: Path, signed: bool) -> None:
        self.failed = out / "failed_update"
        self.signed = signed
        self.skipped = 0
        self.in_a_row = 0
        self.exploded = 0
        self.stopped = ""

    def accepts(
        self, run: RunSpec, step: int, loss: float, norm: float, sequences: Seq[Sequence],
        model: torch.nn.Module,
    ) -> bool:
        """Whether to apply the update. NumericalError after three bad ones in a row."""
        if math.isfinite(loss) and math.isfinite(norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        save_update(self.failed, run, step, sequences, model)
        if self.in_a_row == CONSECUTIVE:
            raise NumericalError(
                f"step {step}: loss {loss}, gradient norm {norm}, {CONSECUTIVE} updates in a row; "
                f"replay the last one with: python -m red replay {self.failed}")
        return False

    def watch(self, wrong_logp: float | None) -> None:
        """Stop rule of the signed objective: mean log pi of wrong rollouts under -6 for 5 steps."""
        low = self.signed and wrong_logp is not None and wrong_logp < EXPLODED_LOGP
        self.exploded = self.exploded + 1 if low else 0
        if self.exploded == EXPLODED_STEPS:
            self.stopped = f"log pi of wrong rollouts under {EXPLODED_LOGP} for {EXPLODED_STEPS} steps"

    def state(self) -> dict[str, Any]:
        """Counters; `load` restores them."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "exploded": self.exploded,
                "stopped": self.stopped}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.skipped, self.in_a_row = state["skipped"], state["in_a_row"]
        self.exploded, self.stopped = state["exploded"], state["stopped"]


def save_update(
    path: Path, run: RunSpec, step: int, sequences: Seq[Sequence], model: torch.nn.Module
) -> None:
    """The sequences, the run and the weights of one update, as a folder."""
    import json

    def fill(folder: Path) -> None:
        torch.save(model.state_dict(), folder / "weights.pt")
        document = {"run": to_mapping(run), "step": step, "sequences": [asdict(s) for s in sequences]}
        (folder / "update.json").write_text(json.dumps(document))

    write_directory(path, fill)
