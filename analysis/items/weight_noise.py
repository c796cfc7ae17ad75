"""The weight w against its noise floor.

The histogram of w beside what sampling noise alone would give, the share of entropy changes below two standard errors,
and RED beside its controls.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, Comparison, compare, original, percent
from analysis.measures.noise import (
    CONTROLS,
    HIGH,
    LOW,
    SOURCES,
    below_two_errors,
    entropy_changes,
    logged_noise,
    noise_weights,
)
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import BLACK, GREY, LOOKS, canvas, legend_below, no_data
from red.tables.reader import Run, Tables

EDGES = np.arange(LOW, HIGH + 1.5)  # [1, 2) ... [7, 8), and 8 itself
IDEAL_NOISE, LOGGED_NOISE = "noise, equal spread", "noise, logged s.e."


def build(tables: Tables) -> Figure:
    """(a) histogram of w and of noise; (b) share of entropy changes below 2 s.e.; (c) accuracy."""
    red, *controls = tables.named("red", *CONTROLS)
    (reference,) = tables.named(original(tables, "red", CONTROLS[0]))
    compared = [reference, *controls]
    math = tables.group("math")
    scores = tables.scores(compared, math)
    accuracy = compare(scores)
    changes = entropy_changes(tables, red)
    rollouts = int(red.spec.get("training", {}).get("group_size", 8)) - 1
    histogram = _histogram(tables, red, changes, rollouts)
    shares = below_two_errors(changes)
    comparison = _comparison(accuracy, compared, math)
    picture, axes = canvas(1, 3, 2.8, width_ratios=[1.45, 0.8, 1.0])
    _draw_histogram(axes[0][0], histogram)
    _draw_shares(axes[0][1], shares)
    _draw_comparison(axes[0][2], comparison)
    legend_below(picture, [axes[0][0]])
    logged = () if len(changes) else ("entropies and their standard errors of RED",)
    account = account_of(tables, _once(red, *compared), PAIRED, scores, [*accuracy.incomplete, *logged])
    return result_figure(
        tables,
        "Weight w against its noise floor",
        "(a) Share of steps by w in the RED run (bars), if both entropy changes were sampling noise "
        f"of equal relative spread with {rollouts} rollouts per demonstration, w = √{rollouts} |Z1/Z2| "
        "clipped to [1, 8] (crosses), and noise of the size of the logged standard errors (circles). "
        "(b) Share of steps whose entropy change is below two of its standard errors, by seed. (c) RED "
        "against controls: w constant at RED's mean, drawn from RED's own histogram, and applied to random "
        "samples; a p-value stands beside each control (two-sided, paired with RED).",
        picture,
        pd.concat([histogram, shares, comparison], ignore_index=True),
        account,
    )


def _once(*runs: Run) -> list[Run]:
    return list({run.name: run for run in runs}.values())


def _histogram(tables: Tables, red: Run, changes: pd.DataFrame, rollouts: int) -> pd.DataFrame:
    kinds = {
        "RED": tables.dynamics([red], ["red/w"])["value"].to_numpy(),
        IDEAL_NOISE: noise_weights(rollouts),
        LOGGED_NOISE: logged_noise(changes),
    }
    rows = []
    for kind, w in kinds.items():
        counts, _ = np.histogram(w, EDGES)
        for low, count in zip(EDGES, counts, strict=False):
            value = count / len(w) if len(w) else np.nan
            rows.append({"panel": "a", "quantity": "share of steps", "source": kind, "w": low, "value": value})
    return pd.DataFrame(rows)


def _comparison(accuracy: Comparison, runs: Sequence[Run], benchmarks: Sequence[str]) -> pd.DataFrame:
    """The first of `runs`, and the others against it."""
    rows, reference = [], runs[0].name
    for run in runs:
        one = accuracy.estimate(run.name, benchmarks)
        against = accuracy.difference(reference, run.name, benchmarks) if run.name != reference else None
        row = dict(zip(("value", "low", "high"), percent(one), strict=True))
        row |= {"p": against.p if against else np.nan, "seeds": one.seeds if one else 0}
        rows.append({"panel": "c", "quantity": "accuracy (%)", "source": run.label, "run": run.name, **row})
    return pd.DataFrame(rows)


def _draw_histogram(where: Axes, histogram: pd.DataFrame) -> None:
    where.set(title="(a) Distribution of w", xlabel="w", ylabel="share of steps")
    red = histogram[histogram["source"] == "RED"]
    if red["value"].notna().any():
        where.bar(red["w"], red["value"], 0.8, color=LOOKS["red"].color, alpha=0.75, label="RED")
    for kind, marker in ((IDEAL_NOISE, "x"), (LOGGED_NOISE, "o")):
        rows = histogram[histogram["source"] == kind]
        if rows["value"].notna().any():
            where.plot(
                rows["w"],
                rows["value"],
                marker=marker,
                mfc="white",
                color=BLACK,
                lw=0.8,
                ls=":" if marker == "x" else "--",
                label=kind,
            )
    where.set_xticks(EDGES[:-1], [*(f"{low:g}–{low + 1:g}" for low in EDGES[:-2]), f"{HIGH:g}"], rotation=45)
    where.set_ylim(0, 1.1 * max(0.05, histogram["value"].max()))


def _draw_shares(where: Axes, shares: pd.DataFrame) -> None:
    where.set(title="(b) Below 2 s.e.")
    if shares.empty:
        return no_data(where, "not logged")
    for place, source in enumerate(SOURCES):
        seeds = shares[shares["source"] == source]["value"]
        where.bar(place, seeds.mean(), 0.6, color=GREY, alpha=0.5)
        where.plot([place] * len(seeds), seeds, ls="", marker="o", mfc="white", color=BLACK)
    where.set(xlim=(-0.6, 1.6), ylim=(0, 1.05), ylabel="share of steps")
    where.set_xticks([0, 1], SOURCES.values(), rotation=45, ha="right", rotation_mode="anchor")


def _draw_comparison(where: Axes, comparison: pd.DataFrame) -> None:
    where.set(title="(c) Controls", xlabel="accuracy (%)")
    if comparison["value"].isna().all():
        return no_data(where, "no finished runs")
    for place, row in enumerate(comparison.itertuples()):
        if np.isnan(row.value):
            where.text(0.5, place, "missing", transform=where.get_yaxis_transform(), ha="center", color=GREY)
            continue
        style = LOOKS["red"] if row.run not in CONTROLS else None
        errors = [[row.value - row.low], [row.high - row.value]]
        where.errorbar(
            row.value,
            place,
            xerr=errors,
            marker="X" if style else "o",
            ls="",
            color=style.color if style else BLACK,
            elinewidth=0.8,
        )
        if not np.isnan(row.p):
            where.annotate(f"p = {row.p:.2g}", (row.value, place), (0, 4), textcoords="offset points", ha="center")
    where.set_yticks(range(len(comparison)), comparison["source"])
    where.set_ylim(len(comparison) - 0.5, -0.7)
    return None
