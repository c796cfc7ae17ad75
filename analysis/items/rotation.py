"""Rotation of singular vectors beside a random change.

How far SFT and RL turn the leading singular vectors of the q, k, v and down projections, minus what a random change of
the same norm does, and how much the singular values change. Any small change turns vectors and leaves values: only what
lies beyond the random one is called rotation. After Jin et al. (arXiv 2509.12235), which has no such null.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.derived.curve import step_of
from analysis.measures.derived.rotation import ALL, Phase, phases_of, rotations
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import EMPTY, GREY, canvas, legend_below, look, no_data
from red.tables.reader import Run, Tables

ROWS = {"angle": ("angle minus null (°)", "Vectors"), "value_change": ("change of values (%)", "Values")}
HOW = "Points: means over matrices and seeds; bars: the lowest and the highest seed."


def build(tables: Tables) -> Figure:
    """A column for SFT, by its step, and one for RL, by the step of SFT that it starts from."""
    runs = tables.of_item("rotation")
    numbers = rotations(tables, runs)
    phases = phases_of(runs, tables.runs)
    if numbers.empty:
        picture, axes = canvas(1, 1, EMPTY)
        no_data(axes[0][0], "not measured: no study with the probe rotation was made (config/forgetting.yaml)")
        caption = "Not measured in this study."
    else:
        picture, axes = canvas(2, 2, 4.4, sharey="row", sharex="col")
        for column, (is_rl, letters) in zip(axes.T, ((False, "ac"), (True, "bd")), strict=True):
            own = [phase for phase in phases if phase.is_rl == is_rl]
            for where, quantity, letter in zip(column, ROWS, letters, strict=True):
                _draw(where, numbers, own, quantity, f"({letter}) {ROWS[quantity][1]}, {'RL' if is_rl else 'SFT'}")
            column[-1].set_xlabel("RL to its end, from step of SFT" if is_rl else "step of SFT")
        for where, (label, _) in zip(axes[:, 0], ROWS.values(), strict=True):
            where.set_ylabel(label)
        axes[1][0].set_ylim(bottom=0)  # both panels of the row, once both are drawn
        legend_below(picture, axes.flat, 5)
        caption = (
            "Each model against the one that its training started from. (a, b) Median principal angle, mean of left "
            "and right, between the leading fifths of the singular vectors, minus its mean after a random change of "
            "the same norm; grey: where 95 % of such changes of one matrix lie. (c, d) Median relative change of these "
            f"singular values; grey crosses: after the random change. {_rounding(numbers)} {_told(numbers, phases)}"
        )
    measured = set(numbers["run"])
    missing = [f"rotation of {run.label}" for run in runs if run.seeds and run.name not in measured]
    account = account_of(tables, runs if measured else [], HOW, missing=missing)
    figure = result_figure(
        tables, "Rotation of singular vectors beside a random change", caption, picture, numbers, account
    )
    return replace(figure, facts={**figure.facts, "claimed": _claimed(numbers)})


def _draw(where: Axes, numbers: pd.DataFrame, phases: Sequence[Phase], quantity: str, heading: str) -> None:
    """Models of each phase of SFT joined; the ends of RL beside each other."""
    where.set_title(heading)
    there = numbers[numbers["matrix"] == ALL].set_index("run")
    shown = [(phase, phase.models if not phase.is_rl else phase.models[-1:]) for phase in phases]
    shown = [(phase, tuple(run for run in models if run.name in there.index)) for phase, models in shown]
    ticks = sorted({place for phase, models in shown for place in _steps(phase, models)})
    if not ticks:
        return no_data(where, "no finished runs")
    methods = list(dict.fromkeys(phase.owner.method for phase, _ in shown))
    for phase, models in shown:
        rows, shift = there.loc[[run.name for run in models]], 0.0
        if phase.is_rl and len(methods) > 1:
            shift = 0.3 * (methods.index(phase.owner.method) / (len(methods) - 1) - 0.5)
        x = np.array([ticks.index(step) for step in _steps(phase, models)]) + shift
        name = "angle_excess" if quantity == "angle" else quantity
        mean, low, high = (rows[column].to_numpy(float) for column in (name, f"{name}_low", f"{name}_high"))
        errors = np.maximum([mean - low, high - mean], 0)  # a mean of equal numbers may be off by its last place
        style = look(Run(phase.owner.method, "", phase.owner.method))
        label = method_label(phases, phase.owner.method)
        where.errorbar(x, mean, errors, color=style.color, marker=style.marker, ms=3.5, elinewidth=0.7, label=label)
        _nulls(where, x, rows, quantity)
    where.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
    where.set_xlim(-0.5, len(ticks) - 0.5)
    return None


def _steps(phase: Phase, models: Sequence[Run]) -> list[int]:
    return [phase.start if phase.is_rl else step_of(run) for run in models]


def _nulls(where: Axes, x: np.ndarray, rows: pd.DataFrame, quantity: str) -> None:
    """Bars of the range around the null's mean, or the values after a random change."""
    if quantity == "angle":
        low, high = ((rows[f"angle_null_{end}"] - rows["angle_null"]).to_numpy(float) for end in ("low", "high"))
        where.vlines(x, low, high, color=GREY, lw=5, alpha=0.35, label="random change, 95 %", zorder=1)
        where.axhline(0, color=GREY, lw=0.6)
    else:
        where.plot(
            x, rows["value_change_null"].to_numpy(float), ls="", marker="x", ms=4, color=GREY, label="random change"
        )


def method_label(phases: Sequence[Phase], method: str) -> str:
    """That of the training from the base, else of the first."""
    own = [phase.owner for phase in phases if phase.owner.method == method]
    return next((run.label for run in own if run.parent is None), own[0].label)


def _rounding(numbers: pd.DataFrame) -> str:
    if numbers.empty:
        return ""
    angle, value = numbers["angle_rounding"].median(), numbers["value_change_rounding"].median()
    return f"Rounding to bfloat16 alone turns by {angle:.2g}° and changes values by {value:.2g} % (medians)."


def _told(numbers: pd.DataFrame, phases: Sequence[Phase]) -> str:
    """What lies beyond the null, of the ends of the trainings."""
    there = numbers[numbers["matrix"] == ALL].set_index("run")
    ends = [(phase.owner, there.loc[phase.owner.name]) for phase in phases if phase.owner.name in there.index]
    if not ends:
        return ""
    counts = "; ".join(f"{run.label} {100 * row['beyond']:.0f} %" for run, row in ends)
    claimed = ", ".join(run.label for run, row in ends if row["claimed"]) or "none"
    return (
        f"Matrices turned on both sides beyond 95 % of the random changes, over seeds: {counts}. Rotation is claimed "
        f"where more than half of them are, in every seed: {claimed}."
    )


def _claimed(numbers: pd.DataFrame) -> dict[str, bool]:
    there = numbers[numbers["matrix"] == ALL]
    return {run: bool(claimed) for run, claimed in zip(there["run"], there["claimed"], strict=True)}
