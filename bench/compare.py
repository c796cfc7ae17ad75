"""Runs the sides of a row in alternation: one warm process each, on the same core, or all of them in this one."""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.row import Case, Row, Side, load
from bench.worker import Served

REPOSITORY = Path(__file__).parent.parent
PEERS = Path(__file__).parent / ".venv" / "bin" / "python"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "PYTHONPATH": str(REPOSITORY),
}


class Missing(Exception):
    """A side cannot run here; the text says why."""


class Way(Protocol):
    """One side, waiting for orders."""

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to one order; Missing with the reason if it cannot be given."""

    def stop(self) -> None:
        """No more orders."""


# (row, side, folder of the world, folder for logs) to a way; Missing if the side cannot be started.
Start = Callable[[str, Side, Path, Path], Way]


@dataclass
class Here:
    """A side in this process: a GPU's memory is counted exactly, and each start of torch would cost seconds of it."""

    served: Served

    @classmethod
    def start(cls, row: str, side: Side, world: Path, _folder: Path) -> "Here":
        """Whatever the side needs has to be installed in this interpreter."""
        return cls(Served(load(row)[1], side.name, world))

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Missing with the reason if the side fails."""
        return _whole(self.served.answer(order))

    def stop(self) -> None:
        """Let go of what was prepared."""
        self.served.run = None


@dataclass
class Worker:
    """A process of `bench.worker`, waiting for orders."""

    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(cls, row: str, side: Side, world: Path, folder: Path) -> "Worker":
        """Missing if the interpreter of the side is not installed."""
        python = interpreter(side.venv)
        if not python.exists():
            raise Missing("not installed: make bench-setup")
        log = folder / f"{side.name}.log"
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [str(python), "-m", "bench.worker", row, side.name, str(world)],
                cwd=REPOSITORY,
                env={**os.environ, **ENVIRONMENT},
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
            )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
        return cls(process, log)

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to one order; Missing with the reason if the process cannot give it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise Missing(f"the process ended ({last[0] if last else 'no message'})")
        return _whole(json.loads(line))

    def stop(self) -> None:
        """End of input ends the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def interpreter(venv: str) -> Path:
    """Where a side runs; $RED_BENCH_PEERS replaces bench/.venv/bin/python."""
    return Path(sys.executable) if venv == "main" else Path(os.environ.get("RED_BENCH_PEERS", PEERS))


def _whole(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise Missing(answer["error"])
    return answer


def compare(
    name: str,
    row: Row,
    cases: list[Case],
    world: Path,
    repeats: int,
    report: Callable[[str], None],
    start: Start = Worker.start,
    until: float = math.inf,
) -> dict[str, Any]:
    """Everything that was measured, ready for JSON. A side that cannot run is listed with its reason.

    Missing if that is the first. After `until` (of the monotonic clock) no further case or turn begins.
    """
    results: dict[str, Any] = {
        "row": name,
        "title": row.title,
        "work": row.work,
        "cases": [],
        "missing": {},
        "versions": {},
    }

    def missing(side: Side, case: str, reason: Missing) -> None:
        if side is row.sides[0]:
            raise reason
        report(f"{name} {case}: {side.name} cannot run: {reason}")
        results["missing"].setdefault(side.name, {})[case] = str(reason)

    with tempfile.TemporaryDirectory() as folder:
        workers: dict[str, Way] = {}
        for side in row.sides:
            try:
                workers[side.name] = start(name, side, world, Path(folder))
            except Missing as reason:
                missing(side, "every case", reason)
        for case in cases:
            if time.monotonic() > until:
                raise Missing("the time was over")
            ready = []
            for side in row.sides:
                try:
                    if side.name in workers:
                        answer = workers[side.name].ask({"prepare": dict(case.size)})
                        results["versions"][side.name] = answer["versions"]
                        ready.append(side.name)
                except Missing as reason:
                    missing(side, case.name, reason)
            runs: dict[str, list[dict[str, Any]]] = {side: [] for side in ready}
            for turn in range(case.repeats or repeats):
                if turn and time.monotonic() > until:
                    break
                for side_name in ready if turn % 2 == 0 else reversed(ready):
                    runs[side_name].append(workers[side_name].ask({"run": True}))
                report(
                    f"{name} {case.name} {turn + 1}: "
                    + ", ".join(f"{side} {turns[-1]['seconds']:.3g} s" for side, turns in runs.items())
                )
            results["cases"].append({"name": case.name, "size": dict(case.size), "runs": runs})
        for worker in workers.values():
            worker.stop()
    return results
