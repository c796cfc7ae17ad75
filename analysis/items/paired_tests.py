"""RED against each other run.

Differences in accuracy by problem, with 95 percent intervals and Holm-adjusted p-values. Two numbers under Seeds: RED's
and the other run's.
"""

import pandas as pd

from analysis.measures.compare import ALPHA, PAIRED, compare
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.cells import difference_cell, difference_number
from analysis.parts.style import title
from red.statistics.intervals import Difference, adjust
from red.tables.reader import OVERALL, Tables

REFERENCE = "red"


def build(tables: Tables) -> Table:
    """Differences in points on the mean and on each benchmark, p-values adjusted over runs."""
    (red,) = tables.named(REFERENCE)
    runs = [run for run in tables.of_item("paired_tests", base=True) if run.name != REFERENCE]
    math = tables.group("math")
    scores = tables.scores([red, *runs], math)
    accuracy = compare(scores)
    overall = {run.name: accuracy.difference(REFERENCE, run.name, math) for run in runs}
    p_values = {name: change.p for name, change in overall.items() if change}
    adjusted = dict(zip(p_values, adjust(list(p_values.values())), strict=True))
    rows, numbers = [], []
    for run in runs:
        change, p_holm = overall[run.name], adjusted.get(run.name)
        each = {name: accuracy.difference(REFERENCE, run.name, [name]) for name in math}
        seeds = f"{accuracy.seeds(REFERENCE, math)}, {accuracy.seeds(run.name, math)}"
        p = (f"{change.p:.4f}", f"{p_holm:.4f}") if change else ("missing", "missing")
        cells = (Cell(seeds), difference_cell(change), *map(Cell, (*p, _verdict(change, p_holm))))
        rows.append(Row(run.label, (*cells, *map(difference_cell, each.values()))))
        for column, difference in {OVERALL: change, **each}.items():
            row = difference_number(run.name, column, f"{REFERENCE} minus run", difference)
            row |= {"p_holm": p_holm if column == OVERALL else None}
            numbers.append(row | {"seeds": accuracy.seeds(run.name, [column] if column != OVERALL else math)})
    account = account_of(tables, [red, *runs], PAIRED, scores, accuracy.incomplete)
    headings = (tables.benchmark(name).heading for name in math)
    return Table(
        title=title("RED against each other run", tables.scale),
        caption="Accuracy of RED minus that of the run, in points, on the unweighted mean of the mathematics "
        "benchmarks and on each; 95 % intervals. p: two-sided paired bootstrap on the mean; "
        f"Holm: adjusted over all runs of the table. Verdict at {ALPHA:g} after adjustment. Seeds: RED, run. "
        "Where a side has one seed its training variation is not in the interval. "
        f"{account.text()}",
        stub="RED minus",
        columns=("Seeds", "Overall", "p", "Holm", "verdict", *headings),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=account.facts(),
    )


def _verdict(change: Difference | None, adjusted: float | None) -> str:
    if change is None or adjusted is None:
        return "missing"
    if adjusted >= ALPHA:
        return "not separable"
    return "RED higher" if change.mean > 0 else "RED lower"
