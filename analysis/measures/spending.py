"""What a run cost: prompts, rollouts, demonstrations, tokens, FLOPs, seconds, GPU-hours, with those of its parents.

FLOPs by the usual count of a transformer with N parameters, here of all trained and sampled runs alike:

    2 N (sampled tokens) + 6 N (trained tokens + the prompt tokens before them)

and 2 N more of what is trained where several updates share the rollouts, because these need old log-probabilities.
Measurements that no update needs (entropies for the figures, evaluation) are not counted, nor is the pretraining.
"""

from collections.abc import Sequence

import pandas as pd

from red.tables.reader import Run, Tables

TOTALS = {
    "generated": ("tokens/generated_total", "generated tokens"),
    "trained": ("tokens/trained_total", "trained tokens"),
    "gpu_hours": ("gpu/hours", "GPU-hours"),
}
SUMS = {"rollout_s": ("time/rollout_s", "rollout seconds"), "step_s": ("time/step_s", "training seconds")}
BUDGETS = {
    "prompts": ("train/prompts", "prompts"),
    "rollouts": ("train/rollouts", "rollouts"),
    "demonstrations": ("train/demonstrations", "demonstrations"),
    "prompt_tokens": ("tokens/prompt", "prompt tokens"),
}
FLOPS = "flops"


def spending(tables: Tables, runs: Sequence[Run]) -> pd.DataFrame:
    """Columns run, seed, quantity, value: totals of each seed, with those of `init_from` added.

    `tokens/*_total` and `gpu/hours` are cumulative in the logs, the others are per step. A run that starts
    from a parent's checkpoint or snapshot also pays for the parent up to that step, and for the parent's own
    parents, seed by seed.
    """
    known = {run.name: run for run in tables.runs}
    payers = {run.name: run for start in runs for run in (start, *_ancestors(start, known))}
    metrics = [name for name, _ in (*TOTALS.values(), *SUMS.values(), *BUDGETS.values())]
    logged = dict(iter(tables.dynamics(list(payers.values()), metrics).groupby("run")))

    def spent(run: Run, until: int | None) -> pd.Series | None:
        """Index (seed, quantity); None where a log is lacking: the sum would be too small."""
        if run.name not in logged:
            return None
        own = _with_flops(_totals(logged[run.name], until), run)
        if run.parent is None:
            return own
        name, step = run.parent
        before = spent(known[name], step) if name in known else None
        return None if before is None else own + before.reindex(own.index)

    totals = {run.name: spent(run, None) for run in runs}
    rows = [total.rename("value").reset_index().assign(run=name) for name, total in totals.items() if total is not None]
    columns = ["run", "seed", "quantity", "value"]
    return pd.concat(rows)[columns].dropna() if rows else pd.DataFrame(columns=columns)


def _ancestors(run: Run, known: dict[str, Run]) -> list[Run]:
    """What a run starts from, nearest first."""
    found: list[Run] = []
    while run.parent and run.parent[0] in known:
        run = known[run.parent[0]]
        found.append(run)
    return found


def _totals(frame: pd.DataFrame, until: int | None) -> pd.Series:
    """Index (seed, quantity): totals of the first `until` steps, of all if None; steps count from 0."""
    part = frame if until is None else frame[frame["step"] < until]
    groups = {m: rows.groupby("seed")["value"] for m, rows in part.groupby("metric")}
    quantities = {name: groups[m].max() for name, (m, _) in TOTALS.items() if m in groups}
    quantities |= {name: groups[m].sum() for name, (m, _) in (SUMS | BUDGETS).items() if m in groups}
    return pd.DataFrame(quantities).rename_axis("seed").stack().rename_axis(["seed", "quantity"])


def _with_flops(totals: pd.Series, run: Run) -> pd.Series:
    """The totals and, where all that it needs is known, the FLOPs."""
    wide = totals.unstack("quantity")
    if run.parameters is None or not {"generated", "trained", "prompt_tokens"} <= set(wide):
        return totals
    several = run.spec.get("training", {}).get("updates_per_rollout", 1) > 1
    learned = (6 + 2 * several) * (wide["trained"] + wide["prompt_tokens"])
    wide[FLOPS] = run.parameters * (2 * wide["generated"] + learned)
    return wide.stack().rename_axis(["seed", "quantity"])
