"""Long-lived worker processes that can be killed: symbolic comparison without risk.

Workers are separate programs rather than forks, so a pool may be used beside CUDA, threads or Ray,
and nothing is started before the first comparison. A worker that dies or overruns is a result
(`crash`, `timeout`), never an exception. One thread at a time may use a pool.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from red.errors import RedError
from red.grading import verdict
from red.grading.algebra import worker as program
from red.grading.verdict import Undecided

PATIENCE = 7.5
"""Seconds from sending a comparison to killing its worker."""

STARVED = 1.0
"""A worker that got less processor time than this in that time has not overrun: the machine is busy."""

EXTENSIONS = 8
"""How often a starved worker gets PATIENCE once more."""

LIFETIME = 1_000
"""Comparisons after which a worker is replaced, because sympy's caches only grow."""

_STARTUP = 300.0
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(slots=True, eq=False)
class Job:
    """One comparison under way; `reason` is None until it is settled."""

    question: Undecided
    reason: str | None = None
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: Connection
    since: float
    is_ready: bool = False
    job: Job | None = None
    served: int = 0
    extended: int = 0
    spent: float = 0.0  # processor seconds before the job

    @property
    def deadline(self) -> float:
        return self.since + (PATIENCE * (1 + self.extended) if self.is_ready else _STARTUP)


@dataclass(slots=True)
class Pool:
    """Up to `size` workers, started when there is work for them."""

    size: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    _queue: deque[Job] = field(default_factory=deque)
    _workers: list[_Worker] = field(default_factory=list)

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
                self._give_up(worker)
        self._hand_out()

    def close(self) -> None:
        """End all workers; whatever was not settled ends as a crash."""
        while self._workers:
            self._discard(self._workers[0], verdict.CRASH)
        while self._queue:
            self._queue.popleft().reason = verdict.CRASH

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
        worker.extended, worker.spent = 0, processor_seconds(worker.process.pid)
        message = json.dumps([question.gold, question.prediction, question.boxed])
        try:
            worker.channel.send_bytes(message.encode())
        except OSError:  # it died while idle, which is not this job's fault
            worker.job = None
            self._queue.appendleft(job)
            self._discard(worker, verdict.CRASH)

    def _listen(self, worker: _Worker) -> None:
        try:
            message = worker.channel.recv_bytes().decode()
        except (EOFError, OSError):
            message = "broken: it ended without a word" if not worker.is_ready else ""
        if message.startswith("broken"):
            self.close()
            raise RedError(f"grading worker {message}; is math-verify installed?")
        if not worker.is_ready:
            worker.is_ready = True
        elif message:
            self._settle(worker, message)
            if worker.served >= LIFETIME:
                self._discard(worker, verdict.CRASH)
        else:
            self._discard(worker, verdict.CRASH)

    def _give_up(self, worker: _Worker) -> None:
        if not worker.is_ready:
            self.close()
            raise RedError(f"grading worker did not start within {_STARTUP:.0f} s; is the machine overloaded?")
        starved = processor_seconds(worker.process.pid) - worker.spent < STARVED
        if starved and worker.extended < EXTENSIONS:
            worker.extended += 1
        else:
            self._discard(worker, verdict.TIMEOUT)

    def _settle(self, worker: _Worker, reason: str) -> None:
        if worker.job:
            worker.job.seconds, worker.job.reason = time.monotonic() - worker.since, reason
        worker.job = None
        worker.served += 1

    def _discard(self, worker: _Worker, reason: str) -> None:
        """Kill a worker; a job that it still holds ends with `reason`."""
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.wait()
        worker.channel.close()
        self._settle(worker, reason)


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used so far; infinite where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start() -> _Worker:
    ours, theirs = Pipe()
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", program.__name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        )
    return _Worker(process, ours, time.monotonic())
