"""Sends the metrics of a training elsewhere while it runs. Off unless `tracking:` names trackers.

A tracker is one class: `start` may raise, `log` may raise; either ends that tracker with one line, never
the training. metrics.jsonl has every number in any case.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from red.errors import one_line

PROJECT = "recall-extend-dynamics"


class Tracker(Protocol):
    """Where metrics go."""

    def __init__(self, title: str, folder: Path, spec: Mapping[str, Any]) -> None:
        """Open it; `folder` is the run's."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of one step."""

    def close(self) -> None:
        """The last call."""


class TensorBoard:
    """Event files in `<run folder>/tensorboard`."""

    def __init__(self, title: str, folder: Path, spec: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One scalar per metric."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is buffered."""
        self.writer.close()


class WandB:
    """A run of Weights & Biases; its own environment variables say where (`WANDB_MODE=offline` for none)."""

    package = "wandb"

    def __init__(self, title: str, folder: Path, spec: Mapping[str, Any]) -> None:
        import importlib

        module = importlib.import_module(self.package)
        self.run = module.init(project=PROJECT, name=title, config=dict(spec), **self.where(folder))

    def where(self, folder: Path) -> dict[str, Any]:
        """Keeps its files in the run's folder."""
        return {"dir": str(folder)}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """All metrics of the step at once."""
        self.run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Upload what is left."""
        self.run.finish()


class Trackio(WandB):
    """The same calls, kept on this machine unless `TRACKIO_SPACE_ID` says otherwise."""

    package = "trackio"

    def where(self, folder: Path) -> dict[str, Any]:
        """It has a place of its own."""
        return {}


TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB, "trackio": Trackio}


class Tracking:
    """The trackers that still work."""

    def __init__(self) -> None:
        self.open: dict[str, Tracker] = {}

    def start(self, name: str, title: str, folder: Path, spec: Mapping[str, Any]) -> None:
        """Open one, or say why not."""
        with self._softly(name):
            self.open[name] = TRACKERS[name](title, folder, spec)

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Call once per step."""
        for name, tracker in list(self.open.items()):
            with self._softly(name):
                tracker.log(step, metrics)

    def close(self) -> None:
        """Close all."""
        for name, tracker in list(self.open.items()):
            with self._softly(name):
                tracker.close()

    @contextmanager
    def _softly(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a foreign package raises
            self.open.pop(name, None)
            print(f"tracking: {name} is off: {one_line(error)}", file=sys.stderr, flush=True)


@contextmanager
def tracking(names: Sequence[str], title: str, folder: Path, spec: Mapping[str, Any]) -> Iterator[Tracking]:
    """Trackers for the length of a training."""
    found = Tracking()
    for name in names:
        found.start(name, title, folder, spec)
    try:
        yield found
    finally:
        found.close()
