"""Accuracy by method and the premises.

Mean accuracy of every method on the mathematics benchmarks with its interval and each seed, the paper's numbers as
reported, and beside it what the world has to be like for the comparison to mean something.
"""

from textwrap import shorten

import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, Comparison, compare, percent
from analysis.measures.premises import Finding, judge
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.accuracy_table import by_group
from analysis.parts.style import BLACK, GREY, canvas, looks
from red.tables.reader import BASE, Run, Tables

SIGNS = {True: ("✓", BLACK), False: ("✗", "#c1121f"), None: ("–", GREY)}
SMALL, LONGEST = 5.8, 40  # points, and characters of a statement
PAPERS = ", and the paper's number, reported at its scale, as an open diamond"
HEADS = ("run", "label", "accuracy", "low", "high", "reported", "seeds")


def build(tables: Tables) -> Figure:
    """A row per run of Table 2 and one per premise."""
    runs = by_group(tables.of_item("main_results", base=True))
    benchmarks = tables.group("math")
    scores = tables.scores(runs, benchmarks)
    accuracy = compare(scores)
    numbers = pd.DataFrame([_number(tables, run, accuracy, benchmarks) for run in runs], columns=HEADS)
    findings = judge(tables)
    height = 0.9 + 0.17 * max(len(runs), len(findings))
    picture, ((left, right),) = canvas(1, 2, height, width_ratios=(1, 1.5))
    _draw(left, runs, numbers, accuracy, benchmarks)
    _write(right, findings)
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete)
    caption = (
        "Left: accuracy on the unweighted mean of the mathematics benchmarks with its 95 % interval, a dot for each "
        f"seed (each may have a base of its own){PAPERS * bool(len(tables.reported))}. "
        "Right: the premises of the paper's question (table `premises`) with what was measured, and whether they hold."
    )
    return result_figure(tables, "Accuracy by method and the premises", caption, picture, numbers, account)


def _number(tables: Tables, run: Run, accuracy: Comparison, benchmarks: tuple[str, ...]) -> tuple[object, ...]:
    mean, low, high = percent(accuracy.estimate(run.name, benchmarks))
    paper = tables.paper_mean("main_results", run.name, benchmarks, "accuracy")
    return run.name, run.label, mean, low, high, paper, len(run.seeds)


def _draw(
    where: Axes, runs: list[Run], numbers: pd.DataFrame, accuracy: Comparison, benchmarks: tuple[str, ...]
) -> None:
    """The first run on top; a run without results keeps its row."""
    styles = looks(runs)
    for place, (run, (_, line)) in enumerate(zip(runs, numbers.iterrows(), strict=True)):
        look, height = styles[run.name], -place
        if pd.isna(line["accuracy"]):
            where.text(0.02, height, "missing", color=GREY, va="center", transform=where.get_yaxis_transform())
            continue
        seeds = 100 * accuracy.by_seed(run.name, benchmarks)
        where.plot(seeds, [height] * len(seeds), ls="", marker=".", ms=3, color=GREY)
        errors = [[line["accuracy"] - line["low"]], [line["high"] - line["accuracy"]]]
        where.errorbar(
            line["accuracy"], height, xerr=errors, color=look.color, marker=look.marker, ms=4.5, elinewidth=1
        )
        if pd.notna(line["reported"]):
            where.plot(line["reported"], height, marker="D", ms=4, mfc="none", mec=GREY, mew=0.7)
    where.set_yticks([-place for place in range(len(runs))], [run.label for run in runs])
    where.set_ylim(-len(runs) + 0.4, 0.6)
    where.set_xlabel("accuracy (%)")
    if (base := accuracy.mean(BASE, benchmarks)) is not None:
        where.axvline(100 * base, color=GREY, lw=0.7, ls=":")


def _write(where: Axes, findings: tuple[Finding, ...]) -> None:
    """One line each: sign, name, statement, what was measured and the threshold with its unit."""
    where.set_axis_off()
    where.set_xlim(0, 1)
    where.set_ylim(-len(findings) + 0.4, 0.6)
    for place, found in enumerate(findings):
        sign, color = SIGNS[found.holds]
        measured = "not measured" if found.holds is None else f"{found.value:.3g}"
        statement = shorten(found.premise.statement.partition(":")[0], LONGEST, placeholder=" …")
        where.text(0, -place, sign, color=color, va="center")
        where.text(0.05, -place, f"{found.premise.name} {statement}", va="center", fontsize=SMALL)
        where.text(1, -place, f"{measured} ({found.premise.threshold})", va="center", ha="right", fontsize=SMALL)
