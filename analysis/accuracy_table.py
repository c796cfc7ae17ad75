"""The common shape of Tables 2 to 4: runs by benchmarks, accuracy in percent and length in tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.account import account, benchmark_label
from analysis.compare import FEWER, PAIRED, compare, ranks
from analysis.item import Cell, Mark, Row, Table
from analysis.style import title
from red.tables.reader import BASE, Run, Tables

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


@dataclass(frozen=True)
class Extra:
    """More columns for each run: their titles, and cells with the numbers behind them."""

    columns: tuple[str, ...]
    of_run: Callable[[Run], tuple[tuple[Cell, ...], list[dict]]]


def accuracy_table(
    tables: Tables,
    item: str,
    heading: str,
    opening: str,
    benchmarks: Sequence[str],
    overall: str,
    lengths: bool = True,
    ranked: Callable[[Run], bool] = lambda run: _group(run) in RANKED_GROUPS and run.name != BASE,
    extra: Extra | None = None,
    notes: Sequence[str] = (),
    runs: Sequence[Run] | None = None,
) -> Table:
    """Accuracy of every run of an item on some benchmarks and their unweighted mean, `overall`.

    Only runs for which `ranked` holds compete for the marks of `compare.ranks`. `runs` replaces the
    item's runs.
    """
    order = {group: place for place, group in enumerate(GROUP_TITLES)}
    chosen = tables.of_item(item) if runs is None else runs
    runs = sorted(chosen, key=lambda run: order.get(_group(run), -1))
    scores = tables.scores(runs)
    scores = scores[scores["benchmark"].isin(benchmarks)]
    accuracy = compare(scores)
    others = {name: compare(scores, name) for name in ("length", "lenient", "truncated", "first")}
    columns = {**{name: [name] for name in benchmarks}, "overall": list(benchmarks)}
    marks = {
        column: ranks(accuracy, [run.name for run in runs if ranked(run)], names) for column, names in columns.items()
    }
    rows, numbers = [], []
    origins = tables.origins(runs)
    for run in runs:
        cells, more = _cells(tables, item, run, columns, accuracy, others, marks, lengths)
        extra_cells, extra_numbers = extra.of_run(run) if extra else ((), [])
        seeds = Cell(str(len(run.seeds)))
        rows.append(Row(run.label, (seeds, *cells, *extra_cells), GROUP_TITLES.get(_group(run), "")))
        about: dict[str, Any] = {"run": run.name, "label": run.label, "group": _group(run)}
        about |= {"family": run.family, "steps": run.steps, **origins.get(run.name, {})}
        numbers += [about | row for row in more + extra_numbers]
    absent = [name for name in benchmarks if name not in set(scores["benchmark"])]
    missing = [*accuracy.incomplete, *(f"{benchmark_label(n, tables.scale)} (no answers)" for n in absent)]
    said = account(tables, runs, PAIRED, scores, missing, notes)
    names = [benchmark_label(name, tables.scale) for name in benchmarks] + [overall]
    width = 2 if lengths else 1
    extra_names = extra.columns if extra else ()
    shown = ["Acc", "LEN"][:width] * len(names) if lengths else names
    spans = [("", 1), *((name, width) for name in names), *(("", 1) for _ in extra_names)]
    return Table(
        title=title(heading, tables.scale),
        caption=f"{opening} {said.text()}",
        stub="Run",
        columns=("Seeds", *shown, *extra_names),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        spans=tuple(spans) if lengths else (),
        facts=said.facts(),
    )


def _group(run: Run) -> str:
    return "published" if run.family == "published" else run.row_group


def _cells(tables, item, run, columns, accuracy, others, marks, lengths):
    """Cells of one run and its rows of numbers; accuracy and truncation are stored in percent."""
    cells, numbers = [], []
    for column, names in columns.items():
        found = accuracy.estimate(run.name, names)
        length = others["length"].estimate(run.name, names, FEWER)
        paper = tables.paper(item, run.name, column, "accuracy")
        paper_length = tables.paper(item, run.name, column, "length")
        mark = marks[column].get(run.name, "")
        cells.append(percent_cell(found, paper, mark))
        if lengths:
            shown = f"{length.mean:.0f}" if length else "missing"
            cells.append(Cell(shown, reported="" if paper_length is None else f"{paper_length:.0f}"))
        numbers.append(number(column, "accuracy", found, 100, "percent", paper, mark))
        numbers.append(number(column, "length", length, 1, "tokens", paper_length))
        for name, metric in (
            ("lenient", "accuracy of the lenient grader"),
            ("first", "accuracy of the first sample"),
            ("truncated", "share of truncated answers"),
        ):
            found = others[name].estimate(run.name, names, resamples=0)
            numbers.append(number(column, metric, found, 100, "percent"))
    return tuple(cells), numbers


def percent_cell(found, paper: float | None = None, mark: Mark = "") -> Cell:
    """`41.2` over `[39.8, 42.7]` over the paper's number."""
    reported = "" if paper is None else f"{paper:g}"
    if found is None:
        return Cell("missing", reported=reported)
    text, low, high = (f"{100 * value:.1f}" for value in (found.mean, found.low, found.high))
    return Cell(text, f"[{low}, {high}]", reported, mark)


def number(column, metric, found, factor, unit, paper=None, mark="") -> dict:
    """One row of a table's CSV; empty where nothing was measured."""
    values = (None, None, None, 0, 0)
    if found is not None:
        values = (factor * found.mean, factor * found.low, factor * found.high, found.seeds, found.units)
    names = ("value", "low", "high", "seeds", "units")
    row = dict(zip(names, values, strict=True))
    return {"column": column, "metric": metric, **row, "unit": unit, "reported": paper, "mark": mark}
