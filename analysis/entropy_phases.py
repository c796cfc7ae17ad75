"""Table 1: entropies before and after an RL or an SFT phase, from the base model and from checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.account import account
from analysis.compare import Estimate, bootstrap_mean
from analysis.item import Cell, Row, Table
from analysis.style import title
from red.tables.reader import Run, Tables

HEADING = "Entropy before and after a training phase"
QUANTITIES = {"entropy_rollout": ("RL", "entropy/rollout"), "entropy_demonstration": ("SFT", "entropy/demonstration")}
PHASES = {"grpo": "RL phase", "sft": "SFT phase"}
PRINTED = ("early", "middle", "late")  # the paper's checkpoints after 50, 100 and 300 steps
RESAMPLING = "Intervals: 95 % bootstrap over probe prompts; a prompt's value is its mean over seeds."


@dataclass(frozen=True)
class Phase:
    """One row: what was trained, from what, and the row of the paper it stands beside."""

    run: Run
    kind: str
    initial: str
    printed: str


def build(tables: Tables) -> Table:
    """Rows (phase, initial), columns entropy on rollouts and demonstrations at the first and last step."""
    runs = tables.of_item("entropy_phases")
    phases = phases_of(runs, {run.name: run for run in tables.runs})
    frame = entropies(tables, runs)
    rows, numbers, absent = [], [], []
    for phase in phases:
        here = frame[frame["run"] == phase.run.name]
        ends = (here["step"].min(), here["step"].max()) if len(here) else (0, None)
        cells = []
        for end, printed in zip(ends, ("step0", "step300"), strict=True):
            for quantity, (_, metric) in QUANTITIES.items():
                values = here[(here["step"] == end) & (here["quantity"] == quantity)]["value"].to_numpy()
                found = bootstrap_mean(values) if len(values) else None
                paper = tables.paper("entropy_phases", phase.printed, printed, metric)
                cells.append(_cell(found, paper))
                numbers.append(_number(phase, metric, end, found, paper))
                absent += [] if found else [f"{metric} of {phase.run.label} at {printed[:4]} {end}"]
        rows.append(Row(phase.initial, tuple(cells), PHASES[phase.kind]))
    said = account(tables, runs, RESAMPLING, missing=absent)
    return Table(
        title=title(HEADING, tables.scale),
        caption="Mean entropy (nats) of the next-token distribution on fresh rollouts (RL) and on "
        "demonstrations (SFT) of the fixed probe prompts, before the phase and at its last step. The "
        "initial checkpoints are snapshots of the runs from the base model; the paper's rows (50, 100, 300 "
        f"steps) stand beside ours in order of steps. {said.text()}",
        stub="Initial",
        columns=("RL", "SFT") * 2,
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        spans=(("first step", 2), ("last step", 2)),
        facts=said.facts(),
    )


def entropies(tables: Tables, runs) -> pd.DataFrame:
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


def phases_of(runs, known: Mapping[str, Run]) -> list[Phase]:
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


def _cell(found: Estimate | None, paper: float | None) -> Cell:
    reported = "" if paper is None else f"{paper:.2f}"
    if found is None:
        return Cell("missing", reported=reported)
    return Cell(f"{found.mean:.2f}", f"[{found.low:.2f}, {found.high:.2f}]", reported)


def _number(phase: Phase, metric: str, step, found: Estimate | None, paper: float | None) -> dict:
    row = {"phase": PHASES[phase.kind], "initial": phase.initial, "run": phase.run.name, "step": step}
    row |= {"metric": metric, "unit": "nats", "reported": paper, "reported_row": phase.printed}
    if found is not None:
        row |= {"value": found.mean, "low": found.low, "high": found.high, "units": found.units}
    return row | {"seeds": len(phase.run.seeds)}
