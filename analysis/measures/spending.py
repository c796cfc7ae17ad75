"""What a run cost: tokens, seconds and GPU-hours, its parent's share included."""

from collections.abc import Sequence

import pandas as pd

from red.tables.reader import Run, Tables

TOTALS = {
    "generated": ("tokens/generated_total", "generated tokens"),
    "trained": ("tokens/trained_total", "trained tokens"),
    "gpu_hours": ("gpu/hours", "GPU-hours"),
}
SUMS = {"rollout_s": ("time/rollout_s", "rollout seconds"), "step_s": ("time/step_s", "training seconds")}


def spending(tables: Tables, runs: Sequence[Run]) -> pd.DataFrame:
    """Columns run, seed, quantity, value: totals of each seed, with those of `init_from` added.

    `tokens/*_total` and `gpu/hours` are cumulative in the logs, times are per step. A run that starts
    from a parent's checkpoint or snapshot also pays for the parent up to that step, seed by seed.
    """
    known = {run.name: run for run in tables.runs}
    parents = {run.name: run.parent for run in runs}
    payers = {run.name: run for run in runs}
    payers |= {name: known[name] for name, _ in filter(None, parents.values()) if name in known}
    metrics = [name for name, _ in (*TOTALS.values(), *SUMS.values())]
    logged = dict(iter(tables.dynamics(list(payers.values()), metrics).groupby("run")))
    rows = []
    for run in runs:
        if run.name not in logged:
            continue
        own = _totals(logged[run.name], None)
        if parent := parents[run.name]:
            if parent[0] not in logged:
                continue  # without the parent's log the sum would be too small
            own = own + _totals(logged[parent[0]], parent[1]).reindex(own.index)
        rows.append(own.rename("value").reset_index().assign(run=run.name))
    columns = ["run", "seed", "quantity", "value"]
    return pd.concat(rows)[columns].dropna() if rows else pd.DataFrame(columns=columns)


def _totals(frame: pd.DataFrame, until: int | None) -> pd.Series:
    """Index (seed, quantity): totals up to a step, to the end if None."""
    part = frame if until is None else frame[frame["step"] <= until]
    groups = {m: rows.groupby("seed")["value"] for m, rows in part.groupby("metric")}
    quantities = {name: groups[m].max() for name, (m, _) in TOTALS.items() if m in groups}
    quantities |= {name: groups[m].sum() for name, (m, _) in SUMS.items() if m in groups}
    return pd.DataFrame(quantities).rename_axis("seed").stack().rename_axis(["seed", "quantity"])
