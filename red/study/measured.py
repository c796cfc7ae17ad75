"""What finished jobs took, by the workflow's `benchmark:` files, and how well the forecast meets it."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

UNMEASURED_FACTOR = 2.0


def device_seconds(
    config: Mapping[str, Any], stage: str, seeds: Mapping[str, list[int]], gpus: Mapping[str, int]
) -> dict[str, float]:
    """Mean device-seconds of a stage of each run, where it has finished.

    Wall clock also on a CPU: Snakemake samples processor time too rarely for short jobs.
    """
    folder = Path(config.get("pathvars", {}).get("benchmarks", "benchmarks")) / stage
    means = {}
    for run, its_seeds in seeds.items():
        files = [folder / run / f"seed{seed}.tsv" for seed in its_seeds]
        values = [seconds for file in files if (seconds := _seconds(file)) is not None]
        if values:
            means[run] = sum(values) / len(values) * max(gpus[run], 1)
    return means


def calibration(ratios: list[float]) -> tuple[float, float]:
    """(factor of uncertainty, ratio measured to estimated).

    Two standard deviations of the log ratio among the runs; a fixed factor while fewer than 3 are measured.
    """
    if not ratios:
        return UNMEASURED_FACTOR, 1.0
    middle = median(ratios)
    if len(ratios) < 3:
        return 1.5, middle
    spread = math.sqrt(sum(math.log(r / middle) ** 2 for r in ratios) / (len(ratios) - 1))
    return max(math.exp(2 * spread), 1.05), middle


def _seconds(path: Path) -> float | None:
    """Wall-clock seconds of a Snakemake benchmark file, None if there is none, or none that can be."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            seconds = float(next(csv.DictReader(stream, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
        return None
    return seconds if 0 < seconds < math.inf else None
