"""Curves of training for a page: raw values of chosen runs, seeds and metrics, packed into one small document."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.parts.style import GREY, look
from red.tables.reader import Run, Tables

# In a report: what its figures draw, and what one looks at first when a training goes wrong.
METRICS = (
    "entropy/rollout",
    "entropy/demonstration",
    "accuracy/rollout",
    "length/rollout",
    "red/w",
    "red/w_raw",
    "loss/total",
    "opt/grad_norm",
    "grad/cosine",
    "words/overthink_per_1k",
    "ratio/out_of_range_rollout",
    "ratio/out_of_range_demonstration",
    "train/truncated",
)
MOST = 400_000  # values of a report: about 1.5 MB of its page
DIGITS = 4


@dataclass(frozen=True)
class Curve:
    """One metric of one run and seed: raw values by step, both of shape (points,).

    `seed`: None where nothing says which.
    """

    run: str
    label: str
    color: str
    seed: int | None
    metric: str
    steps: np.ndarray
    values: np.ndarray


def of_tables(tables: Tables, metrics: Sequence[str] = METRICS) -> list[Curve]:
    """What these runs logged of these metrics, in the order of the runs and the metrics."""
    runs = {run.name: run for run in tables.runs}
    logged = tables.dynamics(runs.values(), metrics)
    groups = dict(iter(logged.groupby(["run", "metric", "seed"])))
    return [
        _curve(run, metric, seed, groups[run.name, metric, seed])
        for run in runs.values()
        for metric in metrics
        for seed in run.seeds
        if (run.name, metric, seed) in groups
    ]


def packed(curves: Iterable[Curve], most: int = MOST) -> dict[str, Any]:
    """{"metrics": [str], "runs": [{"name", "label", "color"}], "steps": [[int]], "lines": [...], "every": int}.

    A line is {"run", "metric", "seed", "steps": index into "steps", "values": [float]}. Of more than `most` values
    only every so-manieth logged step is kept, the first and the last always; "every" says which.
    """
    curves = list(curves)
    every = max(1, -(-sum(len(curve.steps) for curve in curves) // most))
    metrics = sorted(dict.fromkeys(curve.metric for curve in curves), key=_order)
    runs = {curve.run: {"name": curve.run, "label": curve.label, "color": curve.color} for curve in curves}
    places = {name: place for place, name in enumerate(runs)}
    steps: dict[tuple[int, ...], int] = {}
    lines = []
    for curve in curves:
        kept = sorted({*range(0, len(curve.steps), every), len(curve.steps) - 1})
        grid = steps.setdefault(tuple(curve.steps[kept].tolist()), len(steps))
        values = [float(f"{value:.{DIGITS}g}") for value in curve.values[kept]]
        line = {"run": places[curve.run], "metric": metrics.index(curve.metric), "seed": curve.seed}
        lines.append(line | {"steps": grid, "values": values})
    return {
        "metrics": metrics,
        "runs": list(runs.values()),
        "steps": [list(grid) for grid in steps],
        "lines": lines,
        "every": every,
    }


def _order(metric: str) -> int:
    return METRICS.index(metric) if metric in METRICS else len(METRICS)


def _curve(run: Run, metric: str, seed: int, rows: Any) -> Curve:
    color = look(run).color
    return Curve(run.name, run.label, color or GREY, seed, metric, rows["step"].to_numpy(), rows["value"].to_numpy())
