"""The paper's numbers beside ours: values, and the order of the methods."""

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from analysis.account import BENCHMARKS, MATH, OUT_OF_DOMAIN, account
from analysis.compare import FEWER, PAIRED, compare
from analysis.item import Figure
from analysis.style import BLACK, GREY, canvas, looks, no_data, title
from red.tables.reader import Tables

HEADING = "Reported against measured accuracy"
SETS = {"main_results": MATH, "out_of_domain": OUT_OF_DOMAIN}


def build(tables: Tables) -> Figure:
    """(a) Overall of Table 2, reported by measured; (b) rank of each method in both."""
    runs = _runs(tables)
    numbers, scores, incomplete = _numbers(tables, runs)
    overall = numbers[(numbers["item"] == "main_results") & (numbers["column"] == "overall")]
    overall = overall[overall["metric"] == "accuracy"].dropna(subset=["measured", "reported"])
    tau = kendalltau(overall["reported"], overall["measured"]) if len(overall) > 1 else None
    picture, axes = canvas(1, 2, 3.0, width_ratios=[1.15, 1])
    styles = looks(runs)
    _scatter(axes[0][0], overall, styles)
    _ranks(axes[0][1], overall, styles)
    picture.suptitle(title(HEADING, tables.scale), x=0.01, ha="left")
    rank = f"Kendall's tau {tau.statistic:.2f} (p = {tau.pvalue:.2g}) over {len(overall)} methods." if tau else ""
    absent = {run for run in tables.reported["run"] if run not in {r.name for r in tables.runs if r.seeds}}
    missing = [*incomplete, *(f"measured run {name}" for name in sorted(absent) if name in _main(tables))]
    said = account(tables, runs, PAIRED, scores, missing, (rank,) if rank else ())
    return Figure(
        title=title(HEADING, tables.scale),
        caption="Unweighted mean of the six mathematics benchmarks as printed in Table 2 of the paper and as "
        "measured here, and the ranks they give. The paper prints no intervals. The CSV has every cell of "
        f"Tables 2 and 3. {said.text()}",
        picture=picture,
        numbers=numbers,
        facts=said.facts(),
    )


def _main(tables: Tables) -> set[str]:
    return set(tables.reported[tables.reported["item"] == "main_results"]["run"])


def _runs(tables: Tables):
    printed = set(tables.reported[tables.reported["item"].isin(SETS)]["run"])
    return tuple(run for run in tables.runs if run.name in printed)


def _numbers(tables: Tables, runs):
    scores = tables.scores(runs)
    accuracy, length = compare(scores), compare(scores, "length")
    rows = []
    printed = tables.reported[tables.reported["item"].isin(SETS)]
    for cell in printed.itertuples():
        names = SETS[cell.item] if cell.column == "overall" else (cell.column,)
        source, factor = (length, 1) if cell.metric == "length" else (accuracy, 100)
        found = source.estimate(cell.run, names, FEWER)
        values = [factor * v for v in (found.mean, found.low, found.high)] if found else [np.nan] * 3
        rows.append(
            (
                cell.item,
                cell.run,
                cell.row,
                cell.column,
                cell.metric,
                cell.unit,
                cell.value,
                *values,
                found.seeds if found else 0,
            )
        )
    about = ("item", "run", "row", "column", "metric", "unit", "reported")
    frame = pd.DataFrame(rows, columns=[*about, "measured", "low", "high", "seeds"])
    frame["difference"] = frame["measured"] - frame["reported"]
    return frame, scores[scores["benchmark"].isin(BENCHMARKS)], accuracy.incomplete


def _scatter(where, overall: pd.DataFrame, styles) -> None:
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


def _ranks(where, overall: pd.DataFrame, styles) -> None:
    where.set_title("(b) Ranks")
    if len(overall) < 2:
        return no_data(where, "fewer than two runs")
    ranks = overall[["reported", "measured"]].rank(ascending=False)
    for row, (reported, measured) in zip(overall.itertuples(), ranks.to_numpy(), strict=True):
        style = styles[row.run]
        where.plot([0, 1], [reported, measured], color=style.color, ls=style.dashes, marker=style.marker)
        where.annotate(row.row, (0, reported), (-6, 0), textcoords="offset points", ha="right", va="center")
        where.annotate(row.row, (1, measured), (6, 0), textcoords="offset points", va="center", color=BLACK)
    where.set(xlim=(-0.9, 1.9), ylim=(len(overall) + 0.6, 0.4), yticks=[])
    where.set_xticks([0, 1], ["reported", "measured"])
    where.grid(False)
    where.spines["left"].set_visible(False)
    return None
