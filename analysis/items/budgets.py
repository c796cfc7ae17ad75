"""Budgets: what each run was given and used.

Accuracy against all FLOPs of training and sampling, those of the stages that a run starts from included, so that
methods can be compared at equal FLOPs. Below, for each run: prompts, rollouts, demonstrations, tokens and FLOPs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import LogLocator

from analysis.measures.compare import PAIRED, Comparison, compare, percent
from analysis.measures.spending import BUDGETS, FLOPS, TOTALS, spending
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.cells import rate_text
from analysis.parts.style import BLACK, FULL, GREY, Look, looks, no_data
from red.tables.reader import BASE, Run, Tables

QUANTITIES = (*BUDGETS, *(name for name in TOTALS if name != "gpu_hours"), FLOPS)
SHOWN = {  # quantity: head of its column
    "prompts": "prompts",
    "rollouts": "rollouts",
    "demonstrations": "demon-\nstrations",
    "generated": "tokens\nsampled",
    "trained": "tokens\ntrained",
    FLOPS: "FLOPs",
    "rate": "learning\nrate",
    "accuracy": "accuracy\n(%)",
}
UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
LINE = 0.155  # inches of a line of the table


def build(tables: Tables) -> Figure:
    """Accuracy (mean of the mathematics benchmarks) against FLOPs, and the budgets of each run as lines below."""
    runs = tables.of_item("budgets") or tables.of_item("cost")
    runs = tuple(run for run in runs if run.name != BASE)
    math = tables.group("math")
    scores = tables.scores([*runs, *tables.named(BASE)], math)
    accuracy = compare(scores)
    numbers = _numbers(tables, runs, accuracy, math)
    styles = looks(runs)
    height = LINE * (len(runs) + 3)
    picture = Picture(figsize=(FULL, 2.7 + height))
    (above,), (below,) = picture.subfigures(2, 1, squeeze=False, height_ratios=[2.7, height])
    _draw(above.subplots(), numbers, styles, accuracy.mean(BASE, math))
    _list(below.subplots(), numbers, styles)
    unpaid = [f"tokens or FLOPs of {row.label}" for row in numbers.itertuples() if np.isnan(row.flops)]
    account = account_of(tables, runs, PAIRED, scores, [*accuracy.incomplete, *unpaid])
    size = sorted({run.parameters for run in runs if run.parameters})
    caption = (
        "Unweighted mean accuracy over the mathematics benchmarks against the FLOPs of training and sampling, means "
        "over seeds. The grey line is the highest accuracy that any run reached for at most so many FLOPs; the dotted "
        "line is the base model. Every budget is the whole path from the base model: a run that starts from another's "
        "checkpoint also has what that one used. Equal is the number of prompts (prompts_per_step x steps, of RL "
        "runs); what a method makes of them differs, and is listed. A demonstration counts each time that it is "
        "learned. FLOPs: 2 N per sampled token, 6 N per trained token and prompt token before it (8 N with several "
        f"updates per rollout), N = {', '.join(f'{one:,.0f}' for one in size) or 'unknown'} parameters; "
        "neither pretraining nor evaluation."
    )
    return result_figure(tables, "Budgets, and accuracy at equal FLOPs", caption, picture, numbers, account)


def _numbers(tables: Tables, runs: Sequence[Run], accuracy: Comparison, math: Sequence[str]) -> pd.DataFrame:
    """One row per run: means over its seeds; `front` where no run with at most its FLOPs is as accurate."""
    spent = spending(tables, runs)
    means = spent.groupby(["run", "quantity"])["value"].mean()
    rows = []
    for run in runs:
        row = {"run": run.name, "label": run.label, "init_from": run.spec.get("init_from") or BASE, "rate": run.rate}
        row |= {name: means.get((run.name, name), np.nan) for name in QUANTITIES}
        row |= dict(zip(("accuracy", "low", "high"), percent(accuracy.estimate(run.name, math)), strict=True))
        rows.append(row | {"seeds": len(run.seeds)})
    heads = ("run", "label", "init_from", "rate", *QUANTITIES, "accuracy", "low", "high", "seeds")
    numbers = pd.DataFrame(rows, columns=heads)
    return numbers.assign(front=on_front(numbers[FLOPS].to_numpy(float), numbers["accuracy"].to_numpy(float)))


def on_front(flops: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Whether each point is more accurate than all others that cost no more; NaN never is."""
    known = ~(np.isnan(flops) | np.isnan(accuracy))
    found = np.zeros(len(flops), bool)
    for place in np.flatnonzero(known):
        others = known & (flops <= flops[place])
        others[place] = False
        found[place] = not (accuracy[others] >= accuracy[place]).any()
    return found


def _draw(where: Axes, numbers: pd.DataFrame, styles: Mapping[str, Look], base: float | None) -> None:
    there = numbers[numbers[FLOPS].notna() & numbers["accuracy"].notna()]
    if there.empty:
        return no_data(where, "not measured: no finished runs with a log of tokens")
    where.set(xscale="log", xlabel="FLOPs of training and sampling, from the base model", ylabel="accuracy (%)")
    if base is not None:
        where.axhline(100 * base, color=BLACK, lw=0.7, ls=":")
    front = there[there["front"]].sort_values(FLOPS)
    end = 1.15 * there[FLOPS].max()
    where.step([*front[FLOPS], end], [*front["accuracy"], front["accuracy"].max()], where="post", color=GREY, lw=0.7)
    for row in there.itertuples():
        look = styles[row.run]
        errors = [[row.accuracy - row.low], [row.high - row.accuracy]]
        where.errorbar(row.flops, row.accuracy, errors, color=look.color, ls="", marker=look.marker, elinewidth=0.5)
    where.set_xlim(there[FLOPS].min() / 1.15, end)
    where.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    where.xaxis.set_major_formatter(lambda value, _: _short(value))
    where.minorticks_off()


def _list(where: Axes, numbers: pd.DataFrame, styles: Mapping[str, Look]) -> None:
    """The legend, with the budgets beside each label."""
    lines = len(numbers)
    where.set(xlim=(0, 1), ylim=(lines + 0.5, -2.5))
    where.set_axis_off()
    places = np.linspace(0.28, 0.99, len(SHOWN))
    for x, head in zip(places, SHOWN.values(), strict=True):
        for up, word in enumerate(reversed(head.split("\n"))):
            where.text(x, -0.8 - 0.9 * up, word, ha="right", va="baseline")
    where.axhline(-0.5, color=BLACK, lw=0.6)
    for y, row in enumerate(numbers.to_dict("records")):
        look = styles[row["run"]]
        where.plot(0.015, y, color=look.color, marker=look.marker)
        where.text(0.035, y, row["label"], va="center_baseline")
        for x, quantity in zip(places, SHOWN, strict=True):
            where.text(x, y, _cell(quantity, row), ha="right", va="center_baseline")


def _cell(quantity: str, row: Mapping[str, float]) -> str:
    value = row[quantity]
    if pd.isna(value):
        return "missing"
    return f"{value:.1f}" if quantity == "accuracy" else rate_text(value) if quantity == "rate" else _short(value)


def _short(value: float) -> str:
    """Three digits and a unit: 2,400 is 2.4 k."""
    size, unit = next((pair for pair in UNITS if value >= pair[0]), (1, ""))
    return f"{value / size:.3g} {unit}".strip()
