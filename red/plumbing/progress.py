"""Progress of a training and of a generation on stderr: live on a terminal, a line now and then in a log.

A line says how far it is, how fast, when it ends, and the most memory that this process had so far.
"""

import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from red.escape import terminal
from red.plumbing.terminal import between_lines, console, span

SHOWN = (
    ("loss/total", "loss"),
    ("accuracy/rollout", "acc"),
    ("length/rollout", "len"),
    ("entropy/rollout", "H_rollout"),
    ("entropy/demonstration", "H_demonstration"),
    ("red/w", "w"),
)


class StepProgress:
    """Shows the step, steps per second, time left, memory, and the last loss, accuracy, length, entropies and w."""

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
        if now - self.shown < (0.2 if self.live else between_lines()) and not last:
            return
        self.shown = now
        rate = (step + 1 - self.first) / max(now - self.started, 1e-9)
        how = f"{rate:.2g} steps/s, {span((self.steps - step - 1) / rate)} left, {_memory()}"
        values = " ".join(f"{label} {metrics[key]:.3g}" for key, label in SHOWN if key in metrics)
        line = f"{self.title}: step {step + 1}/{self.steps}, {how}; {values}"
        print(f"\r{line}\x1b[K" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)


class GenerationProgress:
    """Answers done, tokens per second, time left and memory; `done` answers were there from the start."""

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
                TextColumn("{task.fields[memory]}"),
                console=console(stderr=True),
            )
            self._task = self._bar.add_task(self.title, total=total, completed=done, speed=0.0, memory="")

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
            self._bar.update(self._task, completed=self.done, speed=self.tokens / elapsed, memory=_memory())
        elif now - self.shown > between_lines() or self.done == self.total:
            self.shown = now
            left = span(elapsed / (self.done - self.first) * (self.total - self.done))
            how = f"{self.tokens / elapsed:.0f} tokens/s, {left} left, {_memory()}"
            print(f"{self.title}: {self.done}/{self.total} answers, {how}", file=sys.stderr, flush=True)


def _memory() -> str:
    """The most that was resident so far; a GPU's is not in it."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
