"""`results.json`: every measured number of a study in one document (docs/results-schema.md).

Made from the collected tables, without resampling: intervals are in the items' CSV files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from red.tables.complete import opened
from red.tables.source import problem_means, read

SCHEMA = "red-results/1"
RUN = ("run", "seed", "method", "label", "family", "row_group", "scale", "status", "steps")
SHARES = {"accuracy": "accuracy", "lenient": "accuracy_lenient", "first": "first", "truncated": "truncated"}


def export(collected: Path) -> dict[str, Any]:
    """The document. Sums run over rows in arrow, so memory does not grow with the number of answers."""
    runs, benchmarks, answers, steps = opened(collected)
    return {
        "schema": SCHEMA,
        "scale": "+".join(sorted({entry.get("scale") or "" for entry in runs})),
        "benchmarks": benchmarks,
        "runs": [_run(entry) for entry in runs],
        "scores": _scores(answers),
        "training": _last(steps),
    }


def _run(entry: Mapping[str, Any]) -> dict[str, Any]:
    about = {key: entry[key] for key in RUN if key in entry}
    return about | {"spec": entry.get("spec", {}), "provenance": entry.get("provenance") or {}}


def _scores(source: ds.Dataset) -> list[dict[str, Any]]:
    """Means over problems of the means over samples, per run, seed and benchmark; shares, not percent."""
    keys = ["run", "seed", "benchmark", "group", "metric"]
    problems = problem_means(source, [*keys, "problem"])
    means = problems.group_by(keys).aggregate(
        [(name, "mean") for name in (*SHARES, "length")] + [("problem", "count"), ("samples", "max")]
    )
    rows = [
        {key: row[key] for key in keys}
        | {name: row[f"{column}_mean"] for column, name in SHARES.items()}
        | {"length": row["length_mean"], "problems": row["problem_count"], "samples": row["samples_max"]}
        for row in means.to_pylist()
    ]
    return sorted(rows, key=lambda row: (row["run"], row["seed"], row["benchmark"]))


def _last(source: ds.Dataset) -> list[dict[str, Any]]:
    """The last logged value of every training metric, per run and seed."""
    table = read(source, ["run", "seed", "metric", "step", "value"])
    keys = ["run", "seed", "metric"]
    last = table.group_by(keys).aggregate([("step", "max")]).rename_columns([*keys, "step"])
    metrics: dict[tuple[str, int], dict[str, Any]] = {}
    for row in table.join(last, [*keys, "step"], join_type="inner").to_pylist():
        metrics.setdefault((row["run"], row["seed"]), {})[row["metric"]] = {"step": row["step"], "value": row["value"]}
    return [{"run": run, "seed": seed, "last": metrics[run, seed]} for run, seed in sorted(metrics)]
