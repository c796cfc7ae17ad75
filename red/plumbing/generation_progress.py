"""Progress of generation on stderr: a bar on a terminal, a line now and then in a log file."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_SECONDS = 15.0


class GenerationProgress:
    """Answers done, tokens per second and time left; `done` answers were there from the start."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title, self.total, self.done, self.first = title, total, done, done
        self.tokens = 0
        self.started = self.shown = time.monotonic()
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]:.0f} tokens/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=total, completed=done, speed=0.0)

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
