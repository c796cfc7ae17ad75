"""Table 5: training on corrupted demonstrations against training on clean ones."""

import pandas as pd

from analysis.account import account, benchmark_label
from analysis.accuracy_table import number, percent_cell
from analysis.compare import FEWER, PAIRED, Difference, compare
from analysis.corruptions import DEFAULT_RATE, LABELS, corruptions
from analysis.item import Cell, Row, Table
from analysis.style import title
from red.tables.reader import Tables

BENCHMARKS = ("math500", "aime25")
KINDS = ("noisy_labels", "adversarial_chains")
SIDE_METRICS = ("red/w", "entropy/rollout", "entropy/demonstration", "length/rollout", "red/mass_demonstration")
LAST_SHARE = 0.1


def build(tables: Tables) -> Table:
    """Two benchmarks by three kinds of demonstrations for each method, with the paired change."""
    known = [one for one in corruptions(tables.of_item("robustness")) if one.rate in (0, DEFAULT_RATE)]
    runs = [one.run for one in known]
    scores = tables.scores(runs)
    scores = scores[scores["benchmark"].isin(BENCHMARKS)]
    accuracy, length = compare(scores), compare(scores, "length")
    rows: list[Row] = []
    numbers: list[dict] = []
    for clean in (one for one in known if one.kind == "clean"):
        variants = [
            next((c.run for c in known if (c.parent, c.kind, c.rate) == (clean.parent, kind, DEFAULT_RATE)), None)
            for kind in KINDS
        ]
        for benchmark in BENCHMARKS:
            cells = [_cell(tables, accuracy, clean.run.name, benchmark, numbers, "clean", length)]
            for kind, run in zip(KINDS, variants, strict=True):
                name = run.name if run else f"{clean.parent}_{kind}"
                cells.append(_cell(tables, accuracy, name, benchmark, numbers, kind, length))
                change = accuracy.difference(name, clean.run.name, [benchmark])
                cells.append(difference_cell(change))
                numbers.append(difference_number(name, benchmark, "change from clean", change))
            rows.append(Row(benchmark_label(benchmark, tables.scale), tuple(cells), clean.run.label))
    numbers += _side_numbers(tables, [one.run for one in known])
    said = account(tables, runs, PAIRED, scores, accuracy.incomplete)
    return Table(
        title=title("Robustness to corrupted demonstrations", tables.scale),
        caption=f"Accuracy in percent after training on demonstrations of which {DEFAULT_RATE} % of the "
        "prompts are corrupted, and the change from the run on clean demonstrations in points, paired by "
        "problem. The CSV adds lengths and, over the last tenth of training, w, entropies and rollout "
        f"length. {said.text()}",
        stub="Benchmark",
        columns=("Clean", "Noisy labels", "change", "Adversarial chains", "change"),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=said.facts(),
    )


def difference_cell(change: Difference | None) -> Cell:
    """`-0.8` over `[-1.9, 0.2]`, in points."""
    if change is None:
        return Cell("missing")
    mean, low, high = (f"{100 * value:+.1f}" for value in (change.mean, change.low, change.high))
    return Cell(mean, f"[{low}, {high}]")


def difference_number(run: str, column: str, metric: str, change: Difference | None) -> dict:
    """One row of a CSV for a paired difference in points."""
    row = {"run": run, "column": column, "metric": metric, "unit": "points"}
    if change is None:
        return row
    low, high = 100 * change.low, 100 * change.high
    return row | {"value": 100 * change.mean, "low": low, "high": high, "p": change.p}


def _cell(tables, accuracy, run, benchmark, numbers, kind, length) -> Cell:
    found = accuracy.estimate(run, [benchmark])
    paper = tables.paper("robustness", run, benchmark, "accuracy")
    about = {"run": run, "demonstrations": LABELS[kind]}
    numbers.append(about | number(benchmark, "accuracy", found, 100, "percent", paper))
    numbers.append(about | number(benchmark, "length", length.estimate(run, [benchmark], FEWER), 1, "tokens"))
    return percent_cell(found, paper)


def _side_numbers(tables: Tables, runs) -> list[dict]:
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
