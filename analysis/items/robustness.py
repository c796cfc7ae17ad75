"""Table 5: corrupted demonstrations.

Accuracy of RED and MixPolicy after training on demonstrations of which 20 percent of the prompts carry noisy labels or
broken chains, and the paired change from the clean run, beside Table 5 of the paper (which gives RED only and no rate).
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.measures.compare import FEWER, PAIRED, compare, on_shared_seeds
from analysis.measures.corruptions import DEFAULT_RATE, LABELS, corruptions
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.cells import difference_cell, difference_number, number, percent_cell
from analysis.parts.style import title
from red.tables.reader import Run, Tables

BENCHMARKS = ("math500", "aime25")
KINDS = ("noisy_labels", "adversarial_chains")
SIDE_METRICS = ("red/w", "entropy/rollout", "entropy/demonstration", "length/rollout", "red/mass_demonstration")
LAST_SHARE = 0.1


def build(tables: Tables) -> Table:
    """Two benchmarks by three kinds of demonstrations for each method, with the paired change."""
    known = [one for one in corruptions(tables.of_item("robustness")) if one.rate in (0, DEFAULT_RATE)]
    runs = [one.run for one in known]
    scores, notes = on_shared_seeds(tables.scores(runs, BENCHMARKS))
    accuracy, length = compare(scores), compare(scores, "length")
    rows: list[Row] = []
    numbers: list[dict[str, Any]] = []

    def accuracy_cell(run: str, benchmark: str, kind: str, printed: str) -> Cell:
        estimate = accuracy.estimate(run, [benchmark])
        paper = tables.paper("robustness", printed, benchmark, "accuracy")
        about = {"run": run, "demonstrations": LABELS[kind]}
        numbers.append(about | number(benchmark, "accuracy", estimate, 100, "percent", paper))
        numbers.append(about | number(benchmark, "length", length.estimate(run, [benchmark], FEWER), 1, "tokens"))
        return percent_cell(estimate, paper)

    for clean in (one for one in known if one.kind == "clean"):
        corrupted = {(c.kind, c.rate): c.run.name for c in known if c.parent == clean.parent}
        for benchmark in BENCHMARKS:
            cells = [accuracy_cell(clean.run.name, benchmark, "clean", clean.parent)]
            for kind in KINDS:
                name = corrupted.get((kind, DEFAULT_RATE), f"{clean.parent}_{kind}")
                cells.append(accuracy_cell(name, benchmark, kind, name))
                change = accuracy.difference(name, clean.run.name, [benchmark])
                cells.append(difference_cell(change))
                numbers.append(difference_number(name, benchmark, "change from clean", change))
            rows.append(Row(tables.benchmark(benchmark).heading, tuple(cells), clean.run.label))
    numbers += _side_numbers(tables, runs)
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete, notes)
    return Table(
        title=title("Robustness to corrupted demonstrations", tables.scale),
        caption=f"Accuracy in percent after training on demonstrations of which {DEFAULT_RATE} % of the "
        "prompts are corrupted, and the change from the run on clean demonstrations in points, paired by "
        "problem. The CSV adds lengths and, over the last tenth of training, w, entropies and rollout "
        f"length. {account.text()}",
        stub="Benchmark",
        columns=("Clean", "Noisy labels", "change", "Adversarial chains", "change"),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=account.facts(),
    )


def _side_numbers(tables: Tables, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Mean of what was logged over the last tenth of training."""
    rho = [name for name in tables.metric_names(runs) if name.startswith("red/rho_mean")]
    logged = tables.dynamics(runs, [*SIDE_METRICS, *rho])
    numbers = []
    for (run, metric), rows in logged.groupby(["run", "metric"]):
        late = rows[rows["step"] >= (1 - LAST_SHARE) * rows["step"].max()]
        seeds = late.groupby("seed")["value"].mean()
        row = {"run": run, "column": "last tenth of training", "metric": metric, "value": seeds.mean()}
        numbers.append(row | {"low": seeds.min(), "high": seeds.max(), "seeds": len(seeds)})
    return numbers
