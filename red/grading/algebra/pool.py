"""Long-lived worker processes that can be killed: symbolic comparison without risk.

Nothing is started before the first comparison. One thread at a time may use a pool.

A reason is about the answer alone. Only what a comparison itself uses up ends it: its processor time (`timeout`), or
the worker's whole memory, every time (`crash`). A worker that was killed, suspended or starved says nothing about the
answer: another one gets the comparison, and after TRIES of them it is `not_graded`.
"""

import json
import os
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from red import confinement
from red.confinement import LOOK, Watch
from red.errors import ConfigError, RedError
from red.grading import verdict
from red.grading.algebra import worker as program
from red.grading.verdict import Undecided

SECONDS = program.SECONDS + 1
"""Processor time after which a worker is killed: it is in one long call that its own timer cannot end."""

TRIES = 3
"""Workers that may be lost over one comparison, or before they are ready."""

LIFETIME = 1_000
"""Comparisons after which a worker is replaced, because sympy's caches only grow."""

_STARTUP = 300.0


# Signals of a program that went wrong by itself, as a bomb may make it every time.
_FAULTS = {-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)}


@dataclass(slots=True, eq=False)
class Job:
    """One comparison under way; `reason` is None until it is settled. `lost` says how each worker was lost over it."""

    question: Undecided
    reason: str | None = None
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: Connection
    since: float
    is_ready: bool = False
    job: Job | None = None
    served: int = 0
    watch: Watch = field(init=False)  # over one job
    looked: float = 0.0

    def __post_init__(self) -> None:
        self.watch = Watch(self.process.pid)

    @property
    def deadline(self) -> float:
        return self.looked + LOOK if self.is_ready else self.since + _STARTUP


@dataclass(slots=True)
class Pool:
    """Up to `size` workers, started when there is work for them."""

    size: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    _queue: deque[Job] = field(default_factory=deque)
    _workers: list[_Worker] = field(default_factory=list)
    _stillborn: int = 0

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ConfigError(f"workers: must be at least 1, found {self.size!r}")

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_busy(self) -> bool:
        """Whether a job is queued or under way."""
        return bool(self._queue) or any(worker.job for worker in self._workers)

    def submit(self, question: Undecided) -> Job:
        """Queue a comparison; `advance` settles it."""
        job = Job(question)
        self._queue.append(job)
        return job

    def advance(self, timeout: float | None = None) -> None:
        """Hand out work, then wait up to `timeout` seconds for news; None waits for the next news."""
        self._hand_out()
        active = {w.channel: w for w in self._workers if w.job or not w.is_ready}
        if not active:
            return
        limit = max(0.0, min(w.deadline for w in active.values()) - time.monotonic())
        ready = wait(list(active), limit if timeout is None else min(limit, timeout))
        for channel, worker in active.items():
            if channel in ready:
                self._listen(worker)
        for worker in [w for w in self._workers if w.job or not w.is_ready]:
            if time.monotonic() >= worker.deadline:
                self._look(worker)
        self._hand_out()

    def close(self) -> None:
        """End all workers; whatever was not settled is not graded."""
        open_jobs = [*self._queue, *(worker.job for worker in self._workers if worker.job)]
        while self._workers:
            self._discard(self._workers[0])
        self._queue.clear()
        for job in open_jobs:
            job.reason = verdict.NOT_GRADED

    def _hand_out(self) -> None:
        idle = [worker for worker in self._workers if worker.is_ready and not worker.job]
        for worker in idle:
            if self._queue:
                self._send(worker, self._queue.popleft())
        starting = sum(not worker.is_ready for worker in self._workers)
        for _ in range(min(len(self._queue) - starting, self.size - len(self._workers))):
            self._workers.append(_start())

    def _send(self, worker: _Worker, job: Job) -> None:
        question = job.question
        worker.job, worker.since = job, time.monotonic()
        worker.looked, worker.watch = worker.since, Watch(worker.process.pid)
        message = json.dumps([question.gold, question.prediction, question.boxed])
        try:
            worker.channel.send_bytes(message.encode())
        except OSError:  # it died while idle, which is not this job's fault
            worker.job = None
            self._queue.appendleft(job)
            self._discard(worker)

    def _listen(self, worker: _Worker) -> None:
        try:
            message = worker.channel.recv_bytes().decode()
        except (EOFError, OSError):
            message = ""
        if message.startswith("broken"):
            self.close()
            raise RedError(f"grading worker {message}; is math-verify installed?")
        if not message or message in (program.EXHAUSTED, program.DEPRIVED):
            self._lose(worker, message)
        elif worker.job is None:
            worker.is_ready, self._stillborn = True, 0
        else:
            worker.job.seconds, worker.job.reason = time.monotonic() - worker.since, message
            worker.job = None
            worker.served += 1
            if worker.served >= LIFETIME:
                self._discard(worker)

    def _look(self, worker: _Worker) -> None:
        """Processor time decides: a worker that got none for long is lost, one that used up its own has overrun."""
        if not worker.is_ready:
            self.close()
            raise RedError(f"grading worker did not start within {_STARTUP:.0f} s; is the machine overloaded?")
        worker.looked = time.monotonic()
        if worker.watch.is_still() or worker.watch.spent >= SECONDS:
            self._lose(worker, "suspended, or without any processor time")

    def _lose(self, worker: _Worker, how: str) -> None:
        """End a worker that gave no answer. Its comparison has overrun, or another worker gets it."""
        job, worker.job = worker.job, None
        spent = worker.watch.spent
        status = self._discard(worker)
        if job is None:
            self._stillborn += 1
            if self._stillborn >= TRIES:
                self.close()
                raise RedError(f"grading: {TRIES} workers in a row ended before they were ready ({_ending(status)})")
            return
        job.lost.append(how or _ending(status))
        if spent >= program.SECONDS:
            job.reason = verdict.TIMEOUT
        elif len(job.lost) < TRIES:
            self._queue.appendleft(job)
        else:
            is_own_fault = how == program.EXHAUSTED or (not how and status in _FAULTS)
            job.reason = verdict.CRASH if is_own_fault else verdict.NOT_GRADED

    def _discard(self, worker: _Worker) -> int:
        """End a worker. Its exit status: what it ended with itself, else that it was killed here."""
        self._workers.remove(worker)
        worker.channel.close()
        worker.process.kill()
        return worker.process.wait()


def _ending(status: int) -> str:
    """An exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _start() -> _Worker:
    return _Worker(*confinement.start(program.__name__), time.monotonic())
