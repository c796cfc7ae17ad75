"""What the training loop asks of an engine."""

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from pathlib import Path
from typing import Any, Protocol

from red.methods.base import Sequence
from red.models.checkpoint import Checkpoint
from red.models.passes import Pass
from red.sampling.base import Generate
from red.text.codec import Codec
from red.training.update import Update, UpdateResult


class Policy(Protocol):
    """The weights of a run and what can be done with them, wherever they live."""

    @property
    def codec(self) -> Codec:
        """The checkpoint's."""

    @property
    def gpus(self) -> int:
        """How many the run holds; 0 on a CPU."""

    @property
    def generate(self) -> Generate:
        """Samples from the current weights."""

    def before(self, sequences: Seq[Sequence], read: bool) -> Pass | None:
        """The pass before an update that follows at once; it may carry the graph of that update.

        None where nobody reads it before the update and the update makes one itself.
        """

    def measure(self, sequences: Seq[Sequence]) -> Pass:
        """A pass without gradient."""

    def teach(self, sequences: Seq[Sequence]) -> Pass:
        """A pass of the teacher's frozen weights."""

    def step(self, update: Update) -> UpdateResult:
        """One optimizer step; an update whose gradient is not finite is left out."""

    def checkpoint(self) -> Checkpoint:
        """The weights, here."""

    def save(self, directory: Path) -> None:
        """The weights as a Hugging Face folder."""

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Weights, optimizers and the loop's memory, so that a killed job continues."""

    def load_state(self) -> Mapping[str, Any] | None:
        """Restore the newest state; returns the loop's memory."""
