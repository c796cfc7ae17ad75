"""Do both parts of the gradient agree?

Cosine between the gradients of rollouts and of demonstrations by step, and the share of steps on which it is negative.
A reviewer of the paper asked for this.
"""

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.axes import Axes

from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import Line, Panel, draw
from analysis.parts.style import canvas, looks, no_data, step_axis
from red.tables.reader import Run, Tables

METRIC = "grad/cosine"


def build(tables: Tables) -> Figure:
    """Cosine by step, and for each run the share of steps on which it is negative."""
    runs = tables.of_item("gradient_conflict") or tables.named("red")
    styles = looks(runs)
    lines = tuple(Line(run, METRIC, run.label, styles[run.name]) for run in runs)
    # One panel per run: trends of a noisy cosine over each other show nothing.
    picture, axes = canvas(1, len(runs) + 1, 2.4, width_ratios=[1] * len(runs) + [0.8])
    panels = [Panel(f"(a) {line.label}", "cosine", (line,), zero=True) for line in lines]
    curves = draw(tables, axes[0][:-1], panels)
    _same_height(axes[0][:-1])
    for where in axes[0][:-1]:
        step_axis(where, 2)
    for where in axes[0][1:-1]:
        where.set_ylabel("")
    shares = _negative_shares(tables, runs, curves.seeds)
    right = axes[0][-1]
    right.set_title("(b) Below 0")
    if shares.empty:
        no_data(right, "not logged")
    for row, (run, frame) in enumerate(shares.groupby("run", sort=False)):
        style = styles[run]
        right.plot(frame["share"], [row] * len(frame), ls="", marker=style.marker, color=style.color)
    right.set_yticks(range(shares["run"].nunique()), shares.drop_duplicates("run")["label"])
    right.set_ylim(max(shares["run"].nunique(), 1) - 0.5, -0.5)
    right.set_xlim(0, 1)
    right.set_xlabel("share of steps")
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Cosine between the gradients of rollouts and of demonstrations",
        "Cosine between the gradients of the rollouts' and of the demonstrations' part of the loss before they "
        "are added. Below 0 the two parts pull against each other. (b) One point per seed.",
        picture,
        curves.numbers.merge(
            shares.groupby("run", as_index=False)["share"].mean().rename(columns={"share": "share_negative"}),
            how="left",
        ),
        account,
    )


def _same_height(axes: Iterable[Axes]) -> None:
    """Panels that are compared have one scale."""
    drawn = [where for where in axes if where.lines]
    limits = [where.get_ylim() for where in drawn]
    for where in drawn:
        where.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _negative_shares(tables: Tables, runs: Sequence[Run], seeds: frozenset[int]) -> pd.DataFrame:
    """Columns run, label, seed, share; runs in the given order."""
    logged = tables.dynamics(runs, [METRIC])
    logged = logged[logged["seed"].isin(seeds)].copy()
    logged["share"] = (logged["value"] < 0).astype(float)
    shares = logged.groupby(["run", "seed"], as_index=False)["share"].mean()
    shares["label"] = shares["run"].map({run.name: run.label for run in runs})
    order = {run.name: index for index, run in enumerate(runs)}
    return shares.sort_values(["run", "seed"], key=lambda c: c.map(order) if c.name == "run" else c)
