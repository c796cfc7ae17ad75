"""Accuracy against cost.

Mean accuracy against generated tokens, trained tokens and time. A run that starts from another's checkpoint pays for
that one too. The paper gives no costs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from analysis.measures.compare import PAIRED, Estimate, compare, percent
from analysis.measures.spending import SUMS, TOTALS, spending
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import canvas, legend_below, looks, no_data
from red.tables.reader import BASE, Run, Tables

QUANTITIES = {name: label for name, (_, label) in (TOTALS | SUMS).items()}
UNITS = ((1e9, "billions of "), (1e6, "millions of "), (1e3, "thousands of "))


def build(tables: Tables) -> Figure:
    """Mean of the mathematics benchmarks against generated tokens, trained tokens, and time."""
    runs = tables.of_item("cost", base=True)
    styles = looks(runs)
    math = tables.group("math")
    scores = tables.scores(runs, math)
    accuracy = compare(scores)
    estimates = {run.name: accuracy.estimate(run.name, math) for run in runs}
    spent = spending(tables, runs)
    numbers = _numbers(runs, spent, estimates)
    time = "gpu_hours" if (spent[spent["quantity"] == "gpu_hours"]["value"] > 0).any() else "step_s"
    picture, axes = canvas(1, 3, 3.3, sharey=True)
    for where, quantity in zip(axes[0], ("generated", "trained", time), strict=True):
        here = numbers[(numbers["quantity"] == quantity) & numbers[["cost", "accuracy"]].notna().all(axis=1)]
        if here.empty:
            no_data(where, "no finished runs")
            continue
        factor, unit = next((u for u in UNITS if here["cost"].max() >= u[0]), (1, ""))
        base = here[here["run"] == BASE]
        if len(base):
            where.axhline(
                base["accuracy"].iloc[0], color=styles[BASE].color, lw=0.8, ls=":", label=base["label"].iloc[0]
            )
        # Costs are ratios, and most runs lie within a factor of two.
        for row in here[here["cost"] > 0].itertuples():
            style = styles[row.run]
            errors = [[row.accuracy - row.low], [row.high - row.accuracy]]
            where.errorbar(
                row.cost / factor,
                row.accuracy,
                errors,
                color=style.color,
                ls="",
                marker=style.marker,
                label=row.label,
                elinewidth=0.4,
                ms=4,
            )
        where.set_xlabel(f"{unit}{QUANTITIES[quantity]}".replace("of GPU", "GPU"))
        where.set_xscale("log")
        _set_ticks(where)
    axes[0][0].set_ylabel("accuracy, mean of benchmarks (%)")
    legend_below(picture, axes[0], columns=5, order=[run.label for run in runs])
    unpaid = [f"cost log of {run.label}" for run in runs if run.name not in {BASE, *spent["run"]}]
    account = account_of(tables, runs, PAIRED, scores, [*accuracy.incomplete, *unpaid])
    return result_figure(
        tables,
        "Accuracy against cost of training",
        "Unweighted mean accuracy over the mathematics benchmarks against the tokens generated and "
        "trained on and the time used, means over seeds. A run that starts from another's checkpoint pays "
        "for that one too. Costs are on a logarithmic axis; the dotted line is the base model, which is not charged "
        "for pre-training. The CSV adds rollout seconds.",
        picture,
        numbers,
        account,
    )


def _set_ticks(where: Axes) -> None:
    """Few enough to be read: 1, 2, 5, 10, ... within two decades, powers of ten beyond, even steps where costs are
    nearly one size."""
    low, high = where.get_xlim()
    subs = (1, 2, 5) if high < 100 * low else (1,)
    where.xaxis.set_major_locator(MaxNLocator(3) if high < 5 * low else LogLocator(subs=subs))
    where.xaxis.set_major_formatter("{x:g}")
    where.xaxis.set_minor_formatter(NullFormatter())


def _numbers(runs: Sequence[Run], spent: pd.DataFrame, estimates: Mapping[str, Estimate | None]) -> pd.DataFrame:
    """One row per run and quantity; cost is the mean over seeds, 0 for the base model."""
    costs = spent.groupby(["run", "quantity"])["value"].agg(["mean", "min", "max"])
    rows = []
    for run in runs:
        for quantity in QUANTITIES:
            cost = costs.loc[(run.name, quantity)].tolist() if (run.name, quantity) in costs.index else [np.nan] * 3
            cost = [0.0] * 3 if run.name == BASE else cost
            rows.append((run.name, run.label, quantity, *cost, *percent(estimates[run.name]), len(run.seeds)))
    names = ["run", "label", "quantity", "cost", "cost_low", "cost_high", "accuracy", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=names)
