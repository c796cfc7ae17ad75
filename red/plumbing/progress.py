"""Progress of a training and of a generation on stderr: live on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from red.escape import terminal
from red.plumbing.terminal import console

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
        self.title, self.steps = terminal(title), steps
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
        if self.first is None:
            self.first = step
            if step:
                print(f"{self.title}: continues after step {step}/{self.steps}", file=sys.stderr, flush=True)
        now = time.monotonic()
        last = step + 1 == self.steps
        if now - self.shown < (0.2 if self.live else QUIET_SECONDS) and not last:
            return
        self.shown = now
        left = (now - self.started) / (step + 1 - self.first) * (self.steps - step - 1)
        values = " ".join(f"{label} {metrics[key]:.3g}" for key, label in SHOWN if key in metrics)
        line = f"{self.title}: step {step + 1}/{self.steps}, {left:.0f} s left; {values}"
        print(f"\r{line}\x1b[K" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)


class GenerationProgress:
    """Answers done, tokens per second and time left; `done` answers were there from the start."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title, self.total, self.done, self.first = terminal(title), total, done, done
        self.tokens = 0
        self.started = self.shown = time.monotonic()
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]:.0f} tokens/s"),
                TimeRemainingColumn(),
                console=console(stderr=True),
            )
            self._task = self._bar.add_task(self.title, total=total, completed=done, speed=0.0)

    def __enter__(self) -> "GenerationProgress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, tokens: int) -> None:
        """One more answer, of so many tokens."""
        self.done += 1
        self.tokens += tokens
        now = time.monotonic()
        elapsed = max(now - self.started, 1e-9)
        if self._bar:
            self._bar.update(self._task, completed=self.done, speed=self.tokens / elapsed)
        elif now - self.shown > QUIET_SECONDS or self.done == self.total:
            self.shown = now
            left = elapsed / (self.done - self.first) * (self.total - self.done)
            speed = f"{self.tokens / elapsed:.0f} tokens/s, {left:.0f} s left"
            print(f"{self.title}: {self.done}/{self.total} answers, {speed}", file=sys.stderr, flush=True)
