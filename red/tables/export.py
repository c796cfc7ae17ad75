"""`results.json`: every measured and reported number of a study in one document (docs/results-schema.md).

Made from the collected tables, without resampling: intervals are in the items' CSV files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from red.errors import DataError
from red.plumbing.storage import read_json

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "red-results/1"
ABOUT = ("run", "seed", "method", "label", "family", "row_group", "scale", "status", "steps")


def export(collected: Path) -> dict[str, Any]:
    """The document. Sums run over rows in arrow, so memory does not grow with the number of answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    runs = read_json(collected / "runs.json")
    names = ["run", "seed", "benchmark", "group", "metric", "problem", "sample"]
    values = ["correct", "correct_lenient", "tokens", "truncated"]
    logged = ["run", "seed", "step", "metric", "value"]
    try:
        scores = pq.read_table(collected / "scores.parquet", columns=names + values)
        dynamics = pq.read_table(collected / "dynamics.parquet", columns=logged)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{collected}: tables missing or damaged ({error}); run red collect again") from None
    return {
        "schema": SCHEMA,
        "scale": "+".join(sorted({entry["scale"] for entry in runs})),
        "runs": [_run(entry) for entry in runs],
        "scores": _scores(scores),
        "training": _last(dynamics),
    }


def _run(entry: Mapping[str, Any]) -> dict[str, Any]:
    made = entry.get("provenance") or {}
    found = {key: entry[key] for key in ABOUT if key in entry}
    return found | {"spec": entry.get("spec", {}), "provenance": made}


def _scores(table: "pa.Table") -> list[dict[str, Any]]:
    """Means over problems of the means over samples, per run, seed and benchmark; shares, not percent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = ["run", "seed", "benchmark", "group", "metric"]
    columns = {
        "accuracy": pc.cast(table["correct"], pa.float64()),
        "accuracy_lenient": pc.cast(table["correct_lenient"], pa.float64()),
        "length": pc.cast(table["tokens"], pa.float64()),
        "truncated": pc.fill_null(pc.cast(table["truncated"], pa.float64()), 0.0),
        # Sample 0 alone is pass@1 of one draw.
        "first": pc.if_else(pc.equal(table["sample"], 0), pc.cast(table["correct"], pa.float64()), None),
    }
    wide = pa.table({key: table[key] for key in [*keys, "problem"]} | columns)
    each = wide.group_by([*keys, "problem"]).aggregate([(name, "mean") for name in columns] + [("accuracy", "count")])
    means = each.group_by(keys).aggregate(
        [(f"{name}_mean", "mean") for name in columns] + [("problem", "count"), ("accuracy_count", "max")]
    )
    rows = [
        {key: row[key] for key in keys}
        | {name: row[f"{name}_mean_mean"] for name in columns}
        | {"problems": row["problem_count"], "samples": row["accuracy_count_max"]}
        for row in means.to_pylist()
    ]
    return sorted(rows, key=lambda row: (row["run"], row["seed"], row["benchmark"]))


def _last(table: "pa.Table") -> list[dict[str, Any]]:
    """The last logged value of every training metric, per run and seed."""
    keys = ["run", "seed", "metric"]
    last = table.group_by(keys).aggregate([("step", "max")]).rename_columns([*keys, "step"])
    found = table.join(last, [*keys, "step"], join_type="inner").select([*keys, "step", "value"]).to_pylist()
    nested: dict[tuple[str, int], dict[str, Any]] = {}
    for row in found:
        mine = nested.setdefault((row["run"], row["seed"]), {})
        mine[row["metric"]] = {"step": row["step"], "value": row["value"]}
    return [{"run": run, "seed": seed, "last": nested[run, seed]} for run, seed in sorted(nested)]
