"""Runs the sides of a row in alternation, one warm process each, on the same core."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.row import Case, Row, Side

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
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Missing(answer["error"])
        return answer

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


def compare(
    name: str, row: Row, cases: list[Case], world: Path, repeats: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Everything that was measured, ready for JSON. A side that cannot run is listed with its reason."""
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
        workers: dict[str, Worker] = {}
        for side in row.sides:
            try:
                workers[side.name] = Worker.start(name, side, world, Path(folder))
            except Missing as reason:
                missing(side, "every case", reason)
        for case in cases:
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
