"""What decides the order of the hybrids.

Accuracy of the main methods where one knob of the default world is turned: how likely the base is to open like a
demonstration, the response limit, the length of demonstrations, how many prompts are never solved, the aggregation. One
panel per knob, from the joined tables of several studies (make sensitivity).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, percent
from analysis.measures.conditions import (
    Change,
    Condition,
    Knob,
    Setting,
    changes,
    conditions,
    known,
    reference,
    settings,
)
from analysis.output.item import Figure
from analysis.parts.account import account_of, missing_runs, result_figure
from analysis.parts.style import EMPTY, GREY, Look, canvas, legend_below, looks, no_data
from red.tables.reader import Run, Tables

METHODS = ("sft", "grpo", "sft_dapo", "mix_policy", "luffy", "red_i", "red_ii", "red")
ORDERED = ("red", "mix_policy", "luffy", "sft_dapo")  # whose order the caption tells
COLUMNS = 3
SPREAD = 0.44  # of the distance between two settings, in which the methods stand beside each other


def build(tables: Tables) -> Figure:
    """One panel per knob; a study that is not joined has no panel, and says so."""
    studies = conditions(tables)
    shown = reference(studies) or studies[0]
    runs = [run for run in shown.tables.named(*METHODS) if len(studies) > 1 or run in tables.runs] or list(shown.runs)
    panels = settings(studies)
    rows = -(-max(len(panels), 1) // COLUMNS)
    picture, axes = canvas(rows, min(max(len(panels), 1), COLUMNS), 2.15 * rows + 0.5 if panels else EMPTY, sharey=True)
    styles = looks(runs)
    for where, (name, points) in zip(axes.flat, panels.items(), strict=False):
        _draw(where, known(name), points, runs, styles)
    for where in axes.flat[len(panels) :]:
        where.set_axis_off()
    if not panels:
        axes.flat[0].set_axis_on()
        no_data(axes.flat[0], "not measured: no other study is joined")
    for where in axes[:, 0] if panels else ():
        where.set_ylabel("mean accuracy (%)")
    legend_below(picture, axes.flat)
    found = changes(studies, ORDERED)
    missing = [
        f"{text} of {one.study.name}"
        for one in studies
        if one is not shown
        for text in missing_runs(one.tables.named(*(run.name for run in runs)))
    ]
    account = account_of(
        tables,
        runs,
        PAIRED,
        shown.tables.scores(runs, shown.benchmarks),
        [*missing, *shown.accuracy.incomplete, *([] if panels else ["studies with other settings (not measured)"])],
    )
    labels = {run.name: run.label for run in runs}
    figure = result_figure(
        tables,
        "What decides the order of the hybrids",
        "Unweighted mean of the mathematics benchmarks; one knob of the default world is turned in each panel, all "
        "else is as in the default. Below each setting what it comes to, measured on the base where it has a number. "
        f"Lines: mean over seeds, each with its own base where there are several; bars: 95 % intervals. "
        f"{_told(studies, found, labels)}",
        picture,
        pd.DataFrame(_numbers(studies, panels, runs)),
        account,
    )
    return replace(figure, facts={**figure.facts, **_facts(studies, found)})


def _draw(where: Axes, knob: Knob, points: Sequence[Setting], runs: Sequence[Run], styles: Mapping[str, Look]) -> None:
    """Settings stand at equal distances, methods beside each other."""
    where.set_title(knob.title)
    where.set_xlabel(knob.axis)
    where.set_xticks(range(len(points)), [_tick(point, knob) for point in points])
    where.set_xlim(-0.5, len(points) - 0.5)
    where.grid(False, axis="x")
    for place, point in enumerate(points):
        if not point.condition.study.knob:
            where.axvspan(place - 0.36, place + 0.36, color=GREY, alpha=0.13, lw=0)
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(runs)) if len(runs) > 1 else [0.0]
    for run, offset in zip(runs, offsets, strict=True):
        measured = [percent(point.condition.estimate(run.name)) for point in points]
        if np.isnan(measured).all():
            continue
        mean, low, high = np.array(measured).T
        look, x = styles[run.name], np.arange(len(points)) + offset
        where.plot(x, mean, color=look.color, ls=look.dashes, marker=look.marker, ms=3.4, lw=0.9, label=run.label)
        where.vlines(x, low, high, color=look.color, lw=0.7, alpha=0.6)


def _tick(point: Setting, knob: Knob) -> str:
    """What the setting comes to, and which one it is."""
    name = point.condition.study.setting.replace("_", "\n") or "default"
    if np.isnan(point.measured):
        return name
    number = knob.form.format(point.measured)
    return number if number == name else f"{number}\n({name})"


def _told(studies: Sequence[Condition], found: Sequence[Change], labels: Mapping[str, str]) -> str:
    """Where the order of ORDERED is another one than in the reference."""
    base = reference(studies)
    others = [one for one in studies if one is not base]
    if base is None or not others:
        return "Where the order changes is not measured."
    usual = base.order(ORDERED)
    order = ", ".join(labels.get(name, name) for name in usual)
    told = [f"Order in the default, the highest first: {order}."]
    moved = {one.study.name: [each for each in found if each.condition is one] for one in others}
    for one in others:
        if own := moved[one.study.name]:
            pairs = "; ".join(_pair(change, labels) for change in own)
            told.append(f"{_name(one)}: {pairs}.")
    if same := [_name(one) for one in others if not moved[one.study.name] and set(one.order(ORDERED)) == set(usual)]:
        told.append(f"The same order: {', '.join(same)}.")
    if unknown := [_name(one) for one in others if set(one.order(ORDERED)) != set(usual)]:
        told.append(f"Not all of these measured: {', '.join(unknown)}.")
    if any(change.is_clear for change in found):
        told.append("A star: neither this interval nor that in the default holds 0.")
    elif found:
        told.append("No change is clear: in each pair one of the two intervals, here or in the default, holds 0.")
    return " ".join(told)


def _facts(studies: Sequence[Condition], found: Sequence[Change]) -> dict[str, Any]:
    """Orders by study, the highest first, and changes in points."""
    pairs = [
        {"study": change.condition.study.name, "above": change.above, "below": change.below, "clear": change.is_clear}
        | {"points": percent(change.here), "points_in_default": percent(change.there)}
        for change in found
    ]
    return {"orders": {one.study.name: one.order(ORDERED) for one in studies}, "changes": pairs}


def _name(one: Condition) -> str:
    return f"{known(one.study.knob).title} {one.study.setting}"


def _pair(change: Change, labels: Mapping[str, str]) -> str:
    mean, low, high = (f"{value:+.1f}" for value in percent(change.here))
    above, below = (labels.get(name, name) for name in (change.above, change.below))
    return f"{above} above {below}{'*' * change.is_clear} by {mean} [{low}, {high}]"


def _numbers(
    studies: Sequence[Condition], panels: Mapping[str, Sequence[Setting]], runs: Sequence[Run]
) -> list[dict[str, Any]]:
    """Accuracies of each study, and all that was measured of its world."""
    measured = {point.condition.study.name: point.measured for points in panels.values() for point in points}
    rows: list[dict[str, Any]] = []
    for one in studies:
        about: dict[str, Any] = {"study": one.study.name, "knob": one.study.knob, "setting": one.study.setting}
        about |= {"comes_to": measured.get(one.study.name) if one.study.knob else None}
        for run in runs:
            mean, low, high = percent(found := one.estimate(run.name))
            row = {"metric": "accuracy", "unit": "percent", "run": run.name, "label": run.label}
            rows.append(about | row | {"value": mean, "low": low, "high": high, "seeds": found.seeds if found else 0})
        for name, premise in one.premises.items():
            low, high = premise.interval
            row = {"metric": name, "unit": premise.premise.unit.strip(), "label": premise.premise.statement}
            rows.append(about | row | {"value": premise.value, "low": low, "high": high, "seeds": len(premise.by_seed)})
    return rows
