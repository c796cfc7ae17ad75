"""RED against every other run of Table 2, problem by problem."""

import pandas as pd

from analysis.account import MATH, account, benchmark_label
from analysis.compare import ALPHA, PAIRED, compare
from analysis.item import Cell, Row, Table
from analysis.robustness import difference_cell, difference_number
from analysis.style import title
from red.statistics.intervals import Difference, adjust
from red.tables.reader import Tables

REFERENCE = "red"


def build(tables: Tables) -> Table:
    """Differences in points on the mean of six and on each benchmark, p-values adjusted over runs."""
    (red,) = tables.named(REFERENCE)
    runs = [run for run in tables.of_item("paired_tests", base=True) if run.name != REFERENCE]
    scores = tables.scores([red, *runs])
    scores = scores[scores["benchmark"].isin(MATH)]
    accuracy = compare(scores)
    found = {run.name: accuracy.difference(REFERENCE, run.name, MATH) for run in runs}
    p_values = {name: change.p for name, change in found.items() if change}
    adjusted = dict(zip(p_values, adjust(list(p_values.values())), strict=True))
    rows, numbers = [], []
    for run in runs:
        overall = found[run.name]
        each = {name: accuracy.difference(REFERENCE, run.name, [name]) for name in MATH}
        p = f"{overall.p:.4f}" if overall else "missing"
        p_adjusted = f"{adjusted[run.name]:.4f}" if overall else "missing"
        verdict = _verdict(overall, adjusted.get(run.name))
        seeds = f"{accuracy.seeds(REFERENCE, MATH)}, {accuracy.seeds(run.name, MATH)}"
        cells = (Cell(seeds), difference_cell(overall), Cell(p), Cell(p_adjusted), Cell(verdict))
        rows.append(Row(run.label, (*cells, *map(difference_cell, each.values()))))
        for column, difference in {"overall": overall, **each}.items():
            row = difference_number(run.name, column, f"{REFERENCE} minus run", difference)
            row |= {"p_holm": adjusted.get(run.name) if column == "overall" else None}
            numbers.append(row | {"seeds": accuracy.seeds(run.name, [column] if column != "overall" else MATH)})
    said = account(tables, [red, *runs], PAIRED, scores, accuracy.incomplete)
    return Table(
        title=title("RED against each other run", tables.scale),
        caption="Accuracy of RED minus that of the run, in points, on the unweighted mean of the six "
        "mathematics benchmarks and on each; 95 % intervals. p: two-sided paired bootstrap on the mean; "
        f"Holm: adjusted over all runs of the table. Verdict at {ALPHA:g} after adjustment. Seeds: RED, run. "
        "Where a side has one seed its training variation is not in the interval. "
        f"{said.text()}",
        stub="RED minus",
        columns=("Seeds", "Overall", "p", "Holm", "verdict", *(benchmark_label(name, tables.scale) for name in MATH)),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=said.facts(),
    )


def _verdict(difference: Difference | None, adjusted: float | None) -> str:
    if difference is None or adjusted is None:
        return "missing"
    if adjusted >= ALPHA:
        return "not separable"
    return "RED higher" if difference.mean > 0 else "RED lower"
