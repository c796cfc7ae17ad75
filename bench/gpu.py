"""The rows of a GPU: one command, one process, within some minutes, with torch, transformers and triton only."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench import card
from bench.compare import Here, Missing, compare
from bench.row import Row
from red.plumbing.partials import overwrite
from red.plumbing.storage import readable_json

MINUTES = 8.0
# The last turn that begins must end in time, too.
LAST_TURN_S = 60.0
SUMMARY = "gpu.json"


def measure(
    rows: Mapping[str, Row], out: Path, machine: Mapping[str, Any], repeats: int, tiny: bool, say: Callable[[str], None]
) -> None:
    """Write one file per row, as soon as it is there, and then what section `hardware` can take from them.

    A row that fails is left as it was before, with the reason in the summary. `tiny` tries all of it on a CPU.
    """
    device, began = "cpu" if tiny else "cuda", time.monotonic()
    until = began + 60 * MINUTES - LAST_TURN_S
    machine = {**machine, "gpu": card.name(device)}
    measured, failed = {}, {}
    for name, whole in rows.items():
        row = whole.tried() if tiny else whole
        try:
            card.clear(device)
            results = compare(name, row, list(row.cases), Path(), repeats, say, Here.start, until)
        except (Missing, RuntimeError) as reason:  # after some errors nothing runs on the GPU any more
            failed[name] = str(reason)
            say(f"{name}: not measured: {reason}")
        else:
            measured[name] = results
            overwrite(out / f"{name}.json", readable_json({**results, "machine": machine}).encode())
    summary = {
        "tried_only": tiny,
        "machine": machine,
        "hardware": hardware(measured, device),
        "rows": sorted(measured),
        "failed": failed,
        "seconds": round(time.monotonic() - began, 1),
    }
    overwrite(out / SUMMARY, readable_json(summary).encode())
    say(f"{len(measured)} of {len(rows)} rows in {summary['seconds']:.0f} s: {out / SUMMARY}")


def hardware(measured: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Keys of section `hardware` of the configuration. What was not measured is not there."""
    found: dict[str, Any] = {"name": card.name(device), "memory_gib": card.memory_gib(device)}
    if "micro_batches_gpu" in measured:
        [case] = measured["micro_batches_gpu"]["cases"]
        found["tflops"] = statistics.median(run["facts"]["TFLOP/s"] for run in case["runs"]["ours"])
    return {key: value for key, value in found.items() if value is not None}
