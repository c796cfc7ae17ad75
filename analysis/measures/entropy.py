"""Entropies of the fixed probe prompts, before and after a training phase."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from red.tables.reader import Run, Tables

METRICS = {"entropy_rollout": "entropy/rollout", "entropy_demonstration": "entropy/demonstration"}
PHASES = {"grpo": "RL phase", "sft": "SFT phase"}
PRINTED = ("early", "middle", "late")  # the paper's checkpoints after 50, 100 and 300 steps


@dataclass(frozen=True)
class Phase:
    """One row: what was trained, from what, and the row of the paper it stands beside."""

    run: Run
    kind: str
    initial: str
    printed: str


def entropies(tables: Tables, runs: Iterable[Run]) -> pd.DataFrame:
    """Columns run, step, quantity, example, value: probe entropies in nats, means over seeds."""
    rows = tables.probes("entropy", ["run", "seed", "step", "example", "quantity", "value"], runs)
    keys = ["run", "step", "quantity", "example"]
    return rows[rows["value"].notna()].groupby(keys, as_index=False)["value"].mean()


def start_step(run: Run, known: Mapping[str, Run]) -> int:
    """Steps of its parent that a run starts after; 0 from the base model."""
    if run.parent is None:
        return 0
    name, step = run.parent
    return step or (known[name].steps if name in known else None) or 0


def phases_of(runs: Iterable[Run], known: Mapping[str, Run]) -> list[Phase]:
    """GRPO runs from base and from SFT, SFT runs from base and from GRPO, in order of the start."""
    other = {"grpo": "sft", "sft": "grpo"}
    phases = []
    for kind in PHASES:
        printed = iter(PRINTED)
        for run in sorted((r for r in runs if r.method == kind), key=lambda run: start_step(run, known)):
            if run.parent is None:
                phases.append(Phase(run, kind, "Base", kind))
            elif run.parent[0] in known and known[run.parent[0]].method == other[kind]:
                initial = f"{'SFT' if kind == 'grpo' else 'RL'}-{start_step(run, known)}"
                phases.append(Phase(run, kind, initial, f"{kind}_{other[kind]}_{next(printed, '')}"))
    return phases
