"""Sends the metrics of a training elsewhere while it runs. Off unless `tracking:` names trackers.

A tracker is a module here with one function, `start` (see `Tracker`), found by its name. `start`, `log` and
`close` may raise: that ends the tracker with one line, never the training. metrics.jsonl has every number
in any case.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from red.errors import one_line


class Tracker(Protocol):
    """What `start(title, folder, spec)` returns; `folder` is the run's, `spec` its resolved configuration."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of one step, from 0."""

    def close(self) -> None:
        """The last call."""


def names() -> list[str]:
    """Every tracker that `tracking:` may name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


class Tracking:
    """The trackers that still work, by name."""

    def __init__(self) -> None:
        self.trackers: dict[str, Tracker] = {}

    def start(self, name: str, title: str, folder: Path, spec: Mapping[str, Any]) -> None:
        """Open one, or say why not."""
        with self._softly(name):
            module = importlib.import_module(f"{__name__}.{name}")
            self.trackers[name] = module.start(title, folder, spec)

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Call once per step."""
        for name, tracker in list(self.trackers.items()):
            with self._softly(name):
                tracker.log(step, metrics)

    def close(self) -> None:
        """Close all."""
        for name, tracker in list(self.trackers.items()):
            with self._softly(name):
                tracker.close()

    @contextmanager
    def _softly(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a foreign package raises
            self.trackers.pop(name, None)
            print(f"tracking: {name} is off: {one_line(error)}", file=sys.stderr, flush=True)


@contextmanager
def tracking(names: Sequence[str], title: str, folder: Path, spec: Mapping[str, Any]) -> Iterator[Tracking]:
    """Trackers for the length of a training."""
    trackers = Tracking()
    for name in names:
        trackers.start(name, title, folder, spec)
    try:
        yield trackers
    finally:
        trackers.close()
