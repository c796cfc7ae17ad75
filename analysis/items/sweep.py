"""Learning rates: one rule for every method.

Accuracy on validation questions (of the training distribution, neither trained on nor in a benchmark) against the
learning rate. Every method is trained at every rate of one grid; the one with the highest mean over the seeds is taken.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, compare, percent
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.cells import rate_text
from analysis.parts.style import BLACK, EMPTY, GREY, LOOKS, Look, canvas, no_data
from red.tables.reader import BASE, Tables
from red.tables.sweep import VALIDATION, Choice, choices

COLUMNS = 6  # panels beside each other, at most
HEADS = ("run", "label", "rate", "accuracy", "low", "high", "seeds", "missing_seeds", "chosen")


def build(tables: Tables) -> Figure:
    """A panel per method: accuracy by rate with its interval, single seeds, the chosen rate marked."""
    found = choices(tables)
    runs = [run for choice in found for run in choice.candidates.values()]
    benchmarks = tables.group(VALIDATION)
    scores = tables.scores([*runs, *tables.named(BASE)], benchmarks)
    accuracy = compare(scores)
    numbers = pd.DataFrame(
        [
            {
                "run": choice.run,
                "label": choice.label,
                "rate": rate,
                **dict(zip(("accuracy", "low", "high"), percent(accuracy.estimate(run.name, benchmarks)), strict=True)),
                "seeds": sum(value is not None for value in choice.accuracies[rate]),
                "missing_seeds": sum(value is None for value in choice.accuracies[rate]),
                "chosen": rate == choice.chosen,
            }
            for choice in found
            for rate, run in choice.candidates.items()
        ],
        columns=HEADS,
    )
    rows = max(1, -(-len(found) // COLUMNS))
    columns = max(1, -(-len(found) // rows))
    picture, axes = canvas(rows, columns, 0.8 + 1.05 * rows if found else EMPTY, sharex=True, sharey=True)
    base = accuracy.estimate(BASE, benchmarks, resamples=0)
    for where, choice in zip(axes.flat, found, strict=False):
        if base is not None:
            where.axhline(100 * base.mean, color=GREY, lw=0.7, ls=":")
        _draw(where, choice, numbers[numbers["run"] == choice.run])
    if found:
        _label(axes, found)
    else:
        no_data(axes[0][0], "not measured: no sweep was made")
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete, _notes(found))
    facts = account.facts() | {"chosen": {choice.run: choice.chosen for choice in found}}
    caption = (
        "Accuracy on validation questions by learning rate, with a dot for each seed; the dotted line is the base "
        "model. The rule, the same for all: the highest mean over the seeds, of equal ones the smallest rate; a rate "
        "that lacks a seed (×) cannot be chosen. The chosen one is ringed."
    )
    # A sentence of `_notes` stands for the list of all runs.
    figure = result_figure(tables, "Learning rates by one rule", caption, picture, numbers, replace(account, runs=()))
    return replace(figure, facts=facts)


def _draw(where: Axes, choice: Choice, numbers: pd.DataFrame) -> None:
    look = LOOKS.get(choice.run, Look(BLACK))
    there = numbers[numbers["accuracy"].notna()]
    where.set_title(choice.label, color=BLACK)
    where.set_xscale("log")
    if there.empty:
        where.text(0.5, 0.5, "missing", transform=where.transAxes, ha="center", color=GREY)
    errors = [there["accuracy"] - there["low"], there["high"] - there["accuracy"]]
    where.errorbar(
        there["rate"], there["accuracy"], errors, color=look.color, marker=look.marker, ms=3.5, lw=1, elinewidth=0.7
    )
    for rate, values in choice.accuracies.items():
        seeds = [100 * value for value in values if value is not None]
        where.plot([rate] * len(seeds), seeds, ls="", marker=".", ms=2.5, color=GREY)
        if None in values:
            where.text(rate, 0.9, "×", transform=where.get_xaxis_transform(), ha="center", color=GREY)
    chosen = there[there["chosen"]]
    where.plot(chosen["rate"], chosen["accuracy"], ls="", marker="o", ms=9, mfc="none", mec=BLACK, mew=1)


def _label(axes: np.ndarray, found: Sequence[Choice]) -> None:
    """Rates as ticks under each column; a place without a panel keeps only these."""
    rates = sorted({rate for choice in found for rate in choice.candidates})
    for place, where in enumerate(axes.flat):
        where.set_xlim(rates[0] / 1.4, rates[-1] * 1.4)
        where.set_xticks(rates, [rate_text(rate) for rate in rates], rotation=60, ha="right", rotation_mode="anchor")
        where.minorticks_off()
        if place >= len(found):
            where.spines[:].set_visible(False)
            where.grid(False)
            where.tick_params(left=False)
    for where in axes[:, 0]:
        where.set_ylabel("accuracy (%)")


def _notes(found: Sequence[Choice]) -> list[str]:
    rates = sorted({rate for choice in found for rate in choice.candidates})
    seeds = sorted(
        {s for choice in found for run in choice.candidates.values() for s in (*run.seeds, *run.missing_seeds)}
    )
    notes = []
    if found:
        labels, grid = ", ".join(choice.label for choice in found), ", ".join(map(rate_text, rates))
        notes.append(f"Runs: {labels}, each at {grid} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}).")
    if edge := [f"{choice.label} ({rate_text(choice.chosen)})" for choice in found if choice.chosen and choice.at_edge]:
        notes.append(f"At the edge of the grid: {', '.join(edge)}.")
    if without := [choice.label for choice in found if choice.chosen is None]:
        notes.append(f"No rate is complete: {', '.join(without)}.")
    return [*notes, *(f"{choice.label} {choice.stale}." for choice in found if choice.stale)]
