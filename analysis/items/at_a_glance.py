"""Accuracy by method and the premises.

Mean accuracy of every method on the mathematics benchmarks with its interval and each seed, the paper's numbers as
reported, and beside it what the world has to be like for the comparison to mean something.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.text import Text

from analysis.measures.compare import PAIRED, Comparison, compare, percent
from analysis.measures.premises import Finding, judge
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.accuracy_table import by_group
from analysis.parts.style import BLACK, GREY, canvas, legend_below, looks
from red.tables.reader import BASE, Run, Tables

SIGNS = {True: ("✓", BLACK), False: ("✗", "#c1121f"), None: ("–", GREY)}
SMALL = 5.8  # points
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
    height = 1.1 + 0.17 * max(len(runs), len(findings))
    picture, ((left, right),) = canvas(1, 2, height, width_ratios=(1, 1.5))
    _draw(left, runs, numbers, accuracy, benchmarks)
    legend_below(picture, [left])
    _fit(picture, _write(right, findings))
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete)
    caption = (
        "Left: accuracy on the unweighted mean of the mathematics benchmarks with its 95 % interval, a dot for each "
        f"seed (each may have a base of its own){PAPERS * bool(len(tables.reported))}. "
        "Right: the premises of the paper's question (a table of that name), with what was measured."
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
        where.plot(seeds, [height] * len(seeds), ls="", marker=".", ms=3, color=GREY, label="a seed")
        errors = [[line["accuracy"] - line["low"]], [line["high"] - line["accuracy"]]]
        where.errorbar(
            line["accuracy"], height, xerr=errors, color=look.color, marker=look.marker, ms=4.5, elinewidth=1
        )
        if pd.notna(line["reported"]):
            where.plot(
                line["reported"], height, ls="", marker="D", ms=4, mfc="none", mec=GREY, mew=0.7, label="the paper"
            )
    where.set_yticks([-place for place in range(len(runs))], [run.label for run in runs])
    where.set_ylim(-len(runs) + 0.4, 0.6)
    where.set_xlabel("accuracy (%)")
    if (base := accuracy.mean(BASE, benchmarks)) is not None:
        where.axvline(100 * base, color=GREY, lw=0.7, ls=":", label="base")


def _write(where: Axes, findings: tuple[Finding, ...]) -> list[tuple[Text, Text]]:
    """One line each: sign, name, statement, what was measured and the threshold with its unit; the last two."""
    where.set_axis_off()
    where.set_xlim(0, 1)
    where.set_ylim(-len(findings) + 0.4, 0.6)
    lines = []
    for place, found in enumerate(findings):
        sign, color = SIGNS[found.holds]
        measured = "not measured" if found.holds is None else f"{found.value:.3g}"
        statement = f"{found.premise.name} {found.premise.statement.partition(':')[0]}"
        where.text(0, -place, sign, color=color, va="center")
        left = where.text(0.05, -place, statement, va="center", fontsize=SMALL)
        right = f"{measured} ({found.premise.threshold})"
        lines.append((left, where.text(1, -place, right, va="center", ha="right", fontsize=SMALL)))
    return lines


def _fit(picture: Picture, lines: list[tuple[Text, Text]]) -> None:
    """Statements end before the numbers; how much room there is depends on the names of the runs."""
    picture.draw_without_rendering()
    for statement, number in lines:
        words = statement.get_text().split()
        while len(words) > 1 and statement.get_window_extent().x1 > number.get_window_extent().x0 - SMALL:
            words.pop()
            statement.set_text(f"{' '.join(words)} …")
