"""Headline results.

Every method on the unweighted mean of the mathematics benchmarks, what RED adds to it on the same problems, response
length, and accuracy out of domain. Bold and underline only where the paired test supports the rank; † and ‡ mark the
highest and the second where it does not.
"""

from typing import Any

import pandas as pd

from analysis.measures.compare import FEWER, PAIRED, compare, ranks
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.accuracy_table import GROUP_TITLES, by_group, is_ranked, row_group
from analysis.parts.cells import difference_cell, difference_number, number, percent_cell
from analysis.parts.style import title
from red.tables.reader import BASE, Tables

REFERENCE = "red"


def build(tables: Tables) -> Table:
    """One row per run of Table 2: mean of the mathematics benchmarks, length, out of domain, RED minus the run."""
    runs = by_group(tables.of_item("main_results", base=True))
    scores = tables.scores(runs)
    accuracy, lengths = compare(scores), compare(scores, "length")
    math, out_of_domain = tables.group("math"), tables.group("out_of_domain")
    marks = ranks(accuracy, [run.name for run in runs if is_ranked(run)], math)
    rows: list[Row] = []
    numbers: list[dict[str, Any]] = []
    for run in runs:
        overall = accuracy.estimate(run.name, math)
        outside = accuracy.estimate(run.name, out_of_domain)
        length = lengths.estimate(run.name, math, FEWER)
        change = None if run.name == REFERENCE else accuracy.difference(REFERENCE, run.name, math)
        paper = tables.paper_mean("main_results", run.name, math, "accuracy")
        mark = marks.get(run.name, "")
        cells = (
            Cell(str(len(run.seeds))),
            percent_cell(overall, paper, mark),
            Cell("–") if run.name == REFERENCE else difference_cell(change),
            Cell(f"{length.mean:.0f}" if length else "missing"),
            percent_cell(outside),
        )
        rows.append(Row(run.label, cells, "" if run.name == BASE else GROUP_TITLES.get(row_group(run), "")))
        about = {"run": run.name, "label": run.label}
        numbers += [
            about | number("mathematics", "accuracy", overall, 100, "percent", paper, mark),
            about | number("mathematics", "length", length, 1, "tokens"),
            about | number("out of domain", "accuracy", outside, 100, "percent"),
            about | difference_number(run.name, "mathematics", f"{REFERENCE} minus run", change),
        ]
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete)
    return Table(
        title=title("Headline results", tables.scale),
        caption="Accuracy in percent on the unweighted mean of the mathematics benchmarks, the difference of RED to "
        "each run in points (paired by problem, not adjusted for many comparisons: see RED against each other "
        "run), mean response length in tokens, and accuracy out of domain (mean of its benchmarks). "
        f"{account.text()}",
        stub="Run",
        columns=("Seeds", "Mathematics", "RED minus run", "Length", "Out of domain"),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=account.facts(),
    )
