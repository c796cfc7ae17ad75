"""The common shape of Tables 2 to 4: runs by benchmarks, accuracy in percent and length in tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.measures.compare import FEWER, PAIRED, Comparison, compare, full_name, on_shared_seeds, ranks
from analysis.output.item import Cell, Mark, Row, Table
from analysis.parts.account import account_of
from analysis.parts.cells import number, percent_cell
from analysis.parts.style import title
from red.tables.reader import BASE, OVERALL, Run, Tables

GROUP_TITLES = {
    "single": "Single objective and simple mixtures",
    "unified": "Unified",
    "stage_wise": "Stage-wise",
    "red": "RED",
    "ablation": "Ablations",
    "control": "Controls",
    "published": "Published configurations",
}
RANKED_GROUPS = ("single", "unified", "stage_wise", "red")
SECONDARY = {
    "lenient": "accuracy of the lenient grader",
    "first": "accuracy of the first sample",
    "truncated": "share of truncated answers",
}


@dataclass(frozen=True)
class Extra:
    """More columns for each run: their titles, and cells with the numbers behind them."""

    columns: tuple[str, ...]
    of_run: Callable[[Run], tuple[tuple[Cell, ...], list[dict[str, Any]]]]


def is_ranked(run: Run) -> bool:
    """Ablations, controls, published configurations and the base model do not compete."""
    return row_group(run) in RANKED_GROUPS and run.name != BASE


def row_group(run: Run) -> str:
    """Key of GROUP_TITLES."""
    return "published" if run.family == "published" else run.row_group


def by_group(runs: Sequence[Run]) -> list[Run]:
    """In the order of GROUP_TITLES; runs of another group first."""
    order = {group: place for place, group in enumerate(GROUP_TITLES)}
    return sorted(runs, key=lambda run: order.get(row_group(run), -1))


def accuracy_table(
    tables: Tables,
    item: str,
    heading: str,
    opening: str,
    benchmarks: Sequence[str],
    overall: str,
    lengths: bool = True,
    ranked: Callable[[Run], bool] = is_ranked,
    extra: Extra | None = None,
    notes: Sequence[str] = (),
    runs: Sequence[Run] | None = None,
    same_seeds: bool = False,
) -> Table:
    """Accuracy of every run of an item on some benchmarks and their unweighted mean, titled `overall`.

    Only runs for which `ranked` holds compete for the marks of `compare.ranks`. `runs` replaces the item's runs.
    `same_seeds`: over the seeds that all of them have.
    """
    runs = by_group(tables.of_item(item) if runs is None else runs)
    scores = tables.scores(runs, benchmarks)
    if same_seeds:
        scores, more = on_shared_seeds(scores)
        notes = (*notes, *more)
    by_metric = {name: compare(scores, name) for name in ("accuracy", "length", *SECONDARY)}
    accuracy = by_metric["accuracy"]
    columns = {**{name: [name] for name in benchmarks}, OVERALL: list(benchmarks)}
    competitors = [run.name for run in runs if ranked(run)]
    marks = {column: ranks(accuracy, competitors, names) for column, names in columns.items()}
    rows, numbers = [], []
    origins = tables.origins(runs)
    for run in runs:
        cells, row_numbers = _cells(tables, item, run, columns, by_metric, marks, lengths)
        extra_cells, extra_numbers = extra.of_run(run) if extra else ((), [])
        seeds = Cell(str(accuracy.seeds(run.name, benchmarks) if same_seeds else len(run.seeds)))
        rows.append(Row(run.label, (seeds, *cells, *extra_cells), GROUP_TITLES.get(row_group(run), "")))
        about: dict[str, Any] = {"run": run.name, "label": run.label, "group": row_group(run)}
        about |= {"family": run.family, "steps": run.steps, **origins.get(run.name, {})}
        numbers += [about | row for row in row_numbers + extra_numbers]
    unanswered = [name for name in benchmarks if name not in set(scores["benchmark"])]
    missing = [*accuracy.incomplete, *(f"{tables.benchmark(name).heading} (no answers)" for name in unanswered)]
    if set(benchmarks) != set(tables.printed(item) or benchmarks):
        notes = (*notes, f"The paper's {overall} is over other benchmarks and not shown.")
    account = account_of(tables, runs, PAIRED, scores, missing, notes)
    names = [tables.benchmark(name).heading for name in benchmarks] + [overall]
    width = 2 if lengths else 1
    extra_names = extra.columns if extra else ()
    spans = [("", 1), *((name, width) for name in names), *(("", 1) for _ in extra_names)]
    return Table(
        title=title(heading, tables.scale),
        caption=f"{opening} {account.text()}",
        stub="Run",
        columns=("Seeds", *(["Acc", "LEN"] * len(names) if lengths else names), *extra_names),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        spans=tuple(spans) if lengths else (),
        facts=account.facts(),
    )


def _cells(
    tables: Tables,
    item: str,
    run: Run,
    columns: Mapping[str, Sequence[str]],
    by_metric: Mapping[str, Comparison],
    marks: Mapping[str, Mapping[str, Mark]],
    lengths: bool,
) -> tuple[list[Cell], list[dict[str, Any]]]:
    """Cells of one run and its rows of numbers; accuracy and truncation are stored in percent."""
    cells, numbers = [], []
    for column, names in columns.items():
        accuracy = by_metric["accuracy"].estimate(run.name, names)
        length = by_metric["length"].estimate(run.name, names, FEWER)
        paper, paper_length = (
            tables.paper_mean(item, full_name(run), names, metric)
            if column == OVERALL
            else tables.paper(item, full_name(run), column, metric)
            for metric in ("accuracy", "length")
        )
        mark = marks[column].get(run.name, "")
        cells.append(percent_cell(accuracy, paper, mark))
        if lengths:
            text = f"{length.mean:.0f}" if length else "missing"
            cells.append(Cell(text, reported="" if paper_length is None else f"{paper_length:.0f}"))
        numbers.append(number(column, "accuracy", accuracy, 100, "percent", paper, mark))
        numbers.append(number(column, "length", length, 1, "tokens", paper_length))
        for name, metric in SECONDARY.items():
            estimate = by_metric[name].estimate(run.name, names, resamples=0)
            numbers.append(number(column, metric, estimate, 100, "percent"))
    return cells, numbers
