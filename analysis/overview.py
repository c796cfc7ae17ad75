"""The headline: how well every method does, at what length, and against RED. The report opens with it."""

import pandas as pd

from analysis.account import MATH, OUT_OF_DOMAIN, account
from analysis.accuracy_table import GROUP_TITLES, RANKED_GROUPS, number, percent_cell
from analysis.compare import FEWER, PAIRED, compare, ranks
from analysis.item import Cell, Row, Table
from analysis.robustness import difference_cell, difference_number
from analysis.style import title
from red.tables.reader import BASE, Tables

REFERENCE = "red"


def build(tables: Tables) -> Table:
    """One row per run of Table 2: mean of the six benchmarks, length, out of domain, RED minus the run."""
    order = list(GROUP_TITLES)
    chosen = tables.of_item("main_results", base=True)
    runs = sorted(chosen, key=lambda run: order.index(run.row_group) if run.row_group in order else -1)
    scores = tables.scores(runs)
    accuracy, lengths = compare(scores), compare(scores, "length")
    ranked = [run.name for run in runs if run.row_group in RANKED_GROUPS and run.name != BASE]
    marks = ranks(accuracy, ranked, MATH)
    rows, numbers = [], []
    for run in runs:
        overall = accuracy.estimate(run.name, MATH)
        outside = accuracy.estimate(run.name, OUT_OF_DOMAIN)
        length = lengths.estimate(run.name, MATH, FEWER)
        change = None if run.name == REFERENCE else accuracy.difference(REFERENCE, run.name, MATH)
        paper = tables.paper("main_results", run.name, "overall", "accuracy")
        cells = (
            Cell(str(len(run.seeds))),
            percent_cell(overall, paper, marks.get(run.name, "")),
            Cell("–") if run.name == REFERENCE else difference_cell(change),
            Cell(f"{length.mean:.0f}" if length else "missing"),
            percent_cell(outside),
        )
        group = "" if run.name == BASE else GROUP_TITLES.get(run.row_group, "")
        rows.append(Row(run.label, cells, group))
        mark = marks.get(run.name, "")
        about = {"run": run.name, "label": run.label}
        numbers += [
            about | number("mathematics", "accuracy", overall, 100, "percent", paper, mark),
            about | number("mathematics", "length", length, 1, "tokens"),
            about | number("out of domain", "accuracy", outside, 100, "percent"),
            about | difference_number(run.name, "mathematics", f"{REFERENCE} minus run", change),
        ]
    said = account(tables, runs, PAIRED, scores, accuracy.incomplete)
    return Table(
        title=title("Headline results", tables.scale),
        caption="Accuracy in percent on the unweighted mean of the six mathematics benchmarks, the "
        "difference of RED to each run in points (paired by problem, not adjusted for many comparisons: "
        "see RED against each other run), mean response length in tokens, and accuracy out of domain "
        f"(mean of three benchmarks). {said.text()}",
        stub="Run",
        columns=("Seeds", "Mathematics", "RED minus run", "Length", "Out of domain"),
        rows=tuple(rows),
        numbers=pd.DataFrame(numbers),
        facts=said.facts(),
    )
