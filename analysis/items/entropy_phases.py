"""Table 1: entropies before and after a phase.

Mean entropy (nats) on fresh rollouts and on the demonstrations of the fixed probe prompts, before and after GRPO from
SFT checkpoints and SFT from GRPO checkpoints. Stands beside Table 1 of the paper; its 50, 100 and 300 steps are matched
in order. Intervals: bootstrap over probe prompts.
"""

from typing import Any

import pandas as pd

from analysis.measures.compare import Estimate, bootstrap_mean
from analysis.measures.entropy import METRICS, PHASES, Phase, entropies, phases_of
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.style import title
from red.tables.reader import Tables

RESAMPLING = "Intervals: 95 % bootstrap over probe prompts; a prompt's value is its mean over seeds."


def build(tables: Tables) -> Table:
    """Rows (phase, initial), columns entropy on rollouts and demonstrations at the first and last step."""
    runs = tables.of_item("entropy_phases")
    phases = phases_of(runs, {run.name: run for run in tables.runs})
    frame = entropies(tables, runs)
    rows, numbers, missing = [], [], []
    for phase in phases:
        here = frame[frame["run"] == phase.run.name]
        ends = (here["step"].min(), here["step"].max()) if len(here) else (0, None)
        cells = []
        for end, place, printed in zip(ends, ("first", "last"), ("step0", "step300"), strict=True):
            for quantity, metric in METRICS.items():
                values = here[(here["step"] == end) & (here["quantity"] == quantity)]["value"].to_numpy()
                entropy = bootstrap_mean(values) if len(values) else None
                paper = tables.paper("entropy_phases", phase.printed, printed, metric)
                cells.append(_cell(entropy, paper))
                numbers.append(_number(phase, metric, end, entropy, paper))
                missing += [] if entropy else [f"{metric} of {phase.run.label} at its {place} step"]
        rows.append(Row(phase.initial, tuple(cells), PHASES[phase.kind]))
    account = account_of(tables, runs, RESAMPLING, missing=missing)
    return Table(
        title=title("Entropy before and after a training phase", tables.scale),
        caption="Mean entropy (nats) of the next-token distribution on fresh rollouts (RL) and on "
        "demonstrations (SFT) of the fixed probe prompts, before the phase and at its last step. The "
        "initial checkpoints are snapshots of the runs from the base model; the paper's rows (50, 100, 300 "
        f"steps) stand beside ours in order of steps. {account.text()}",
        stub="Initial",
        columns=("RL", "SFT") * 2,
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        spans=(("first step", 2), ("last step", 2)),
        facts=account.facts(),
    )


def _cell(entropy: Estimate | None, paper: float | None) -> Cell:
    reported = "" if paper is None else f"{paper:.2f}"
    if entropy is None:
        return Cell("missing", reported=reported)
    return Cell(f"{entropy.mean:.2f}", f"[{entropy.low:.2f}, {entropy.high:.2f}]", reported)


def _number(
    phase: Phase, metric: str, step: int | None, entropy: Estimate | None, paper: float | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"phase": PHASES[phase.kind], "initial": phase.initial, "run": phase.run.name, "step": step}
    row |= {"metric": metric, "unit": "nats", "reported": paper, "reported_row": phase.printed}
    if entropy is not None:
        row |= {"value": entropy.mean, "low": entropy.low, "high": entropy.high, "units": entropy.units}
    return row | {"seeds": len(phase.run.seeds)}
