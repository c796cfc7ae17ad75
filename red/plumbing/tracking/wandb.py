"""Weights & Biases; its own environment variables say where (`WANDB_MODE=offline` for nowhere)."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = "recall-extend-dynamics"


class Run:
    """A run of `package`, which is wandb or has its `init`, `log` and `finish`."""

    def __init__(self, package: str, title: str, spec: Mapping[str, Any], **options: Any) -> None:
        module = importlib.import_module(package)
        self.run = module.init(project=PROJECT, name=title, config=dict(spec), **options)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """All metrics of the step at once."""
        self.run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Upload what is left."""
        self.run.finish()


def start(title: str, folder: Path, spec: Mapping[str, Any]) -> Run:
    """A run that keeps its files in the run's folder."""
    return Run("wandb", title, spec, dir=str(folder))
