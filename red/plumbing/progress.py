"""Progress on stderr: a live bar on a terminal, a line now and then in a log file."""

import sys
import time
from collections.abc import Mapping
from typing import Any

SHOWN = (
    ("loss/total", "loss"),
    ("accuracy/rollout", "acc"),
    ("length/rollout", "len"),
    ("entropy/rollout", "H_rollout"),
    ("entropy/demonstration", "H_demonstration"),
    ("red/w", "w"),
)
QUIET_SECONDS = 15.0


class StepProgress:
    """Shows the step, time left, and the last loss, accuracy, length, entropies and w."""

    def __init__(self, title: str, steps: int) -> None:
        self.title, self.steps = title, steps
        self.started = self.shown = time.monotonic()
        self.first: int | None = None
        self.live = sys.stderr.isatty()

    def __enter__(self) -> "StepProgress":
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            print(file=sys.stderr)

    def report(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Call once per step, with its metrics."""
        self.first = step if self.first is None else self.first
        now = time.monotonic()
        last = step + 1 == self.steps
        if now - self.shown < (0.2 if self.live else QUIET_SECONDS) and not last:
            return
        self.shown = now
        left = (now - self.started) / (step + 1 - self.first) * (self.steps - step - 1)
        values = " ".join(f"{label} {metrics[key]:.3g}" for key, label in SHOWN if key in metrics)
        line = f"{self.title}: step {step + 1}/{self.steps}, {left:.0f} s left; {values}"
        print(f"\r{line}\x1b[K" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)
