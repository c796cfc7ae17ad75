"""What an engine gets and gives. An engine is a module here with `train(run, files, report)`."""

import importlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.config import RunSpec
from red.storage import write_atomic, write_directory


@dataclass(frozen=True)
class RunFiles:
    """Inputs and the output folder of one training. `weights` is the metrics file of the run whose
    weights a control schedule reads."""

    parent: Path
    prompts: Path
    demonstrations: Path
    out: Path
    weights: Path | None = None

    @property
    def state(self) -> Path:
        """Resume state: not a declared output, so a killed job finds it again."""
        return self.out / "state"

    @property
    def metrics(self) -> Path:
        """One JSON object per step. It grows beside the state, because Snakemake deletes the declared
        outputs of a killed job; `publish` puts it in its place."""
        return self.state / "metrics.jsonl"

    @property
    def snapshots(self) -> Path:
        """Checkpoints at the steps that another run branches from; published like the metrics."""
        return self.state / "snapshots"

    def publish(self) -> None:
        """Put the finished metrics and snapshots in their declared places (an empty folder if none)."""
        write_atomic(self.out / "metrics.jsonl", self.metrics.read_bytes())
        made = self.snapshots

        def fill(folder: Path) -> None:
            if made.exists():
                shutil.copytree(made, folder, dirs_exist_ok=True)

        write_directory(self.out / "snapshots", fill)
        shutil.rmtree(made, ignore_errors=True)


Report = Callable[[int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """What a training did: steps done, why it stopped early (or empty), and data counts."""

    steps: int
    stopped: str
    counts: Mapping[str, int]


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train with the engine that the run names; it is imported only now."""
    engine = importlib.import_module(f"red.engines.{run.training.engine}")
    return engine.train(run, files, report)
