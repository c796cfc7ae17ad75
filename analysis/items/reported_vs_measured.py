"""Reported against measured.

The paper's overall accuracies beside ours, and the order of the methods in both. The CSV has every cell of Tables 2
and 3.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import kendalltau

from analysis.measures.compare import FEWER, PAIRED, compare, percent
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import BLACK, GREY, Look, canvas, looks, no_data
from red.tables.reader import OVERALL, Run, Tables

PRINTED = ("main_results", "out_of_domain")


def build(tables: Tables) -> Figure:
    """(a) Overall of Table 2, reported by measured; (b) rank of each method in both."""
    runs = _runs(tables)
    numbers, scores, incomplete = _numbers(tables, runs)
    overall = numbers[(numbers["item"] == "main_results") & (numbers["column"] == OVERALL)]
    overall = overall[overall["metric"] == "accuracy"].dropna(subset=["measured", "reported"])
    tau = kendalltau(overall["reported"], overall["measured"]) if len(overall) > 1 else None
    picture, axes = canvas(1, 2, 3.0, width_ratios=[1.15, 1])
    styles = looks(runs)
    _scatter(axes[0][0], overall, styles)
    _ranks(axes[0][1], overall, styles, {run.name: run.label for run in runs})
    order = f"Kendall's tau {tau.statistic:.2f} (p = {tau.pvalue:.2g}) over {len(overall)} methods." if tau else ""
    main = set(tables.reported[tables.reported["item"] == "main_results"]["run"])
    absent = main - {run.name for run in tables.runs if run.seeds}
    missing = [*incomplete, *(f"measured run {name}" for name in sorted(absent))]
    account = account_of(tables, runs, PAIRED, scores, missing, (order,) if order else ())
    return result_figure(
        tables,
        "Reported against measured accuracy",
        "Unweighted mean of the six mathematics benchmarks as printed in Table 2 of the paper and as "
        "measured here, and the ranks they give. The paper prints no intervals. The CSV has every cell of "
        "Tables 2 and 3.",
        picture,
        numbers,
        account,
    )


def _runs(tables: Tables) -> tuple[Run, ...]:
    printed = set(tables.reported[tables.reported["item"].isin(PRINTED)]["run"])
    return tuple(run for run in tables.runs if run.name in printed)


def _numbers(tables: Tables, runs: Sequence[Run]) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Every printed cell with its measured number; the scores behind them; seeds that are incomplete."""
    benchmarks = {item: tables.printed(item) for item in PRINTED}
    scores = tables.scores(runs, [name for names in benchmarks.values() for name in names])
    accuracy, length = compare(scores), compare(scores, "length")
    about = ["item", "run", "row", "column", "metric", "unit", "value"]
    rows = []
    for cell in tables.reported[tables.reported["item"].isin(PRINTED)].itertuples():
        names = benchmarks[cell.item] if cell.column == OVERALL else (cell.column,)
        source, factor = (length, 1) if cell.metric == "length" else (accuracy, 100)
        one = source.estimate(cell.run, names, FEWER)
        rows.append((*(getattr(cell, name) for name in about), *percent(one, factor), one.seeds if one else 0))
    frame = pd.DataFrame(rows, columns=[*about[:-1], "reported", "measured", "low", "high", "seeds"])
    frame["difference"] = frame["measured"] - frame["reported"]
    return frame, scores, accuracy.incomplete


def _scatter(where: Axes, overall: pd.DataFrame, styles: Mapping[str, Look]) -> None:
    where.set(title="(a) Overall", xlabel="reported (%)", ylabel="measured (%)")
    if overall.empty:
        return no_data(where, "no finished runs")
    for row in overall.itertuples():
        style = styles[row.run]
        errors = [[row.measured - row.low], [row.high - row.measured]]
        where.errorbar(
            row.reported, row.measured, errors, marker=style.marker, color=style.color, ls="", elinewidth=0.7
        )
    low = min(overall["reported"].min(), overall["low"].min()) - 2
    high = max(overall["reported"].max(), overall["high"].max()) + 2
    where.plot([low, high], [low, high], color=GREY, lw=0.8, ls="--")
    where.annotate("equal", (high, high), (-14, 0), textcoords="offset points", ha="right", va="top", color=GREY)
    return None


def _ranks(where: Axes, overall: pd.DataFrame, styles: Mapping[str, Look], labels: Mapping[str, str]) -> None:
    where.set_title("(b) Ranks")
    if len(overall) < 2:
        return no_data(where, "fewer than two runs")
    ranks = overall[["reported", "measured"]].rank(ascending=False)
    for row, (reported, measured) in zip(overall.itertuples(), ranks.to_numpy(), strict=True):
        style = styles[row.run]
        where.plot([0, 1], [reported, measured], color=style.color, ls=style.dashes, marker=style.marker)
        label = labels[row.run]
        where.annotate(label, (0, reported), (-6, 0), textcoords="offset points", ha="right", va="center")
        where.annotate(label, (1, measured), (6, 0), textcoords="offset points", va="center", color=BLACK)
    where.set(xlim=(-0.9, 1.9), ylim=(len(overall) + 0.6, 0.4), yticks=[])
    where.set_xticks([0, 1], ["reported", "measured"])
    where.grid(False)
    where.spines["left"].set_visible(False)
    return None
