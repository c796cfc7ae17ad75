"""Forgetting out of domain, and what brings it back.

Accuracy in and out of domain over the snapshots of SFT, with RL joined to the model that it starts from; and the ends
of trainings with the singular vectors, the singular values or the whole matrices of an earlier model, beside a random
change of the same norm. After Jin et al. (arXiv 2509.12235), with intervals and the null that their figures lack.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from numpy.typing import ArrayLike

from analysis.measures.compare import PAIRED, Comparison, compare, on_shared_seeds, percent
from analysis.measures.derived.curve import Study, Surgery, method_label, study_of
from analysis.measures.derived.forgetting import Verdict, peak, peaks_apart, recovered, restored, shares_fall
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import BLUE, EMPTY, FULL, GREY, MAGENTA, canvas, legend_below, look, no_data
from red.tables.reader import BASE, Run, Tables

GROUPS = {"math": "in domain (mathematics)", "out_of_domain": "out of domain"}
KINDS = {
    "vectors": "vectors restored",
    "values": "values restored",
    "matrices": "both restored",
    "null": "random change",
}


def build(tables: Tables) -> Figure:
    """(a, b) accuracy by step of SFT with RL from there; a panel for each end that was operated on."""
    runs = tables.of_item("forgetting", base=True)
    study = study_of(runs)
    if study.trunk is None and not study.surgeries:
        return _nothing(tables, runs)
    scores, notes = _on_shared_seeds(tables.scores(runs))
    accuracy = compare(scores)
    verdicts = _verdicts(tables, accuracy, study)
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete, notes)
    figure = result_figure(
        tables,
        "Forgetting out of domain",
        "(a, b) Unweighted mean accuracy of each group of benchmarks by step of SFT (step 0 is the base model); a "
        "line joins the end of RL to the model that it starts from. Below: the end of a training, as it is and with "
        "the singular vectors, the singular values or both of another model, the donor, in its q, k, v and down "
        "projections, and with a random change of the norm that the vectors bring. "
        f"{_told(accuracy, study, tables, verdicts)}",
        _drawn(tables, accuracy, study),
        _numbers(tables, accuracy, study, verdicts),
        account,
    )
    return replace(figure, facts={**figure.facts, "tests": [{**vars(one), **_interval(one)} for one in verdicts]})


def _on_shared_seeds(scores: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Of the seeds that all runs have; the base has one for all where it is not trained here."""
    is_base = scores["run"] == BASE
    made, notes = on_shared_seeds(scores[~is_base])
    base = scores[is_base]
    shared = base[base["seed"].isin(made["seed"])]
    return pd.concat([shared if len(shared) else base, made]), notes


def _drawn(tables: Tables, accuracy: Comparison, study: Study) -> Picture:
    count = len(study.surgeries)
    picture = Picture(figsize=(FULL, 5.0 if count else 2.7))
    rows = picture.subfigures(2 if count else 1, 1, squeeze=False)[:, 0]
    above = rows[0].subplots(1, 2)
    for where, (group, words), letter in zip(above, GROUPS.items(), "ab", strict=True):
        _draw_curve(where, accuracy, study, tables.group(group), f"({letter}) {words.capitalize()}")
    legend_below(rows[0], above)
    if count:
        below = rows[1].subplots(1, max(2, count), sharex=True, sharey=True)
        for where, surgery, letter in zip(below, study.surgeries, "cdefgh", strict=False):
            _draw_surgery(where, tables, accuracy, surgery, letter)
        for where in below[count:]:
            where.set_axis_off()
        legend_below(rows[1], below)
    return picture


def _nothing(tables: Tables, runs: Sequence[Run]) -> Figure:
    picture, axes = canvas(1, 1, EMPTY)
    no_data(axes[0][0], "not measured: no study with derived models was made (config/forgetting.yaml)")
    account = account_of(tables, [run for run in runs if run.missing_seeds])
    caption = "Accuracy in and out of domain over the snapshots of SFT. Not measured in this study."
    return result_figure(tables, "Forgetting out of domain", caption, picture, pd.DataFrame(columns=HEADS), account)


HEADS = ("panel", "group", "run", "label", "method", "step", "value", "low", "high", "seeds", "recovered", "verdict")


def _verdicts(tables: Tables, accuracy: Comparison, study: Study) -> list[Verdict]:
    math, outside = tables.group("math"), tables.group("out_of_domain")
    methods = dict.fromkeys(model.run.method for model in study.restarts if model.step > 0)
    found = [peaks_apart(accuracy, study.curve, math, outside)] if study.curve else []
    found += [shares_fall(accuracy, study, method, outside) for method in methods]
    return found + [one for surgery in study.surgeries for one in restored(accuracy, surgery, outside)]


def _draw_curve(where: Axes, accuracy: Comparison, study: Study, benchmarks: Sequence[str], heading: str) -> None:
    """Models of the curve at equal distances: their steps are log-spaced."""
    where.set(title=heading, xlabel="step of SFT", ylabel="accuracy (%)")
    means = [percent(accuracy.estimate(one.run.name, benchmarks)) for one in study.curve]
    if study.trunk is None or np.isnan(means).all():
        return no_data(where, "no finished runs")
    steps, places = [one.step for one in study.curve], range(len(study.curve))
    trunk = look(study.trunk)
    _draw_points(where, places, means, label=study.trunk.label, color=trunk.color, marker=trunk.marker, ls="-", lw=1)
    methods = list(dict.fromkeys(model.run.method for model in study.restarts))
    for method in methods:
        own = [model for model in study.restarts if model.run.method == method]
        ends = [percent(accuracy.estimate(model.run.name, benchmarks)) for model in own]
        starts = np.interp([model.step for model in own], steps, places)
        x = starts + 0.5 * (methods.index(method) + 1) / (len(methods) + 1)
        style = look(Run(method, "", method))
        for model, place, end_x, end in zip(own, starts, x, ends, strict=True):
            if model.step in steps:
                start = means[steps.index(model.step)][0]
                where.plot([place, end_x], [start, end[0]], color=style.color, lw=0.7, ls=":")
        _draw_points(where, x, ends, label=method_label(study, method), color=style.color, marker=style.marker, ls="")
    where.set_xticks(places, [str(step) for step in steps])
    return None


def _draw_points(
    where: Axes, x: ArrayLike, values: Sequence[tuple[float, float, float]], lying: bool = False, **look: Any
) -> None:
    """Means with their intervals, whose ends rounding may put on the wrong side of a mean of equal numbers."""
    mean, low, high = np.array(values).T
    errors = np.maximum([mean - low, high - mean], 0)
    look |= {"ms": 3.5, "elinewidth": 0.7}
    if lying:
        where.errorbar(mean, x, xerr=errors, **look)
    else:
        where.errorbar(x, mean, yerr=errors, **look)


def _draw_surgery(where: Axes, tables: Tables, accuracy: Comparison, surgery: Surgery, letter: str) -> None:
    heading = f"({letter}) {surgery.late.label}, donor {surgery.donor.label}"
    where.set(title=heading, xlabel="accuracy (%)")
    rows = _operated(surgery)
    looks = {"math": (BLUE, "o", -0.12), "out_of_domain": (MAGENTA, "D", 0.12)}
    for group, (color, marker, shift) in looks.items():
        found = [percent(accuracy.estimate(run.name, tables.group(group))) for _, run in rows]
        places = np.arange(len(rows)) + shift
        _draw_points(where, places, found, lying=True, label=GROUPS[group], color=color, marker=marker, ls="")
        for place in np.flatnonzero(np.isnan(found).any(axis=1)):
            where.text(0.5, place, "missing", transform=where.get_yaxis_transform(), ha="center", color=GREY)
    where.set_yticks(range(len(rows)), [words for words, _ in rows])
    where.set_ylim(len(rows) - 0.5, -0.5)


def _operated(surgery: Surgery) -> list[tuple[str, Run]]:
    made = [(words, surgery.made[kind]) for kind, words in KINDS.items() if kind in surgery.made]
    return [("as it is", surgery.late), *made, ("donor", surgery.donor)]


def _told(accuracy: Comparison, study: Study, tables: Tables, verdicts: Sequence[Verdict]) -> str:
    """Where the peaks are, and what the tests say."""
    told = []
    for group, words in GROUPS.items():
        if (best := peak(accuracy, study.curve, tables.group(group))) is not None:
            told.append(f"Highest {words.split(' (')[0]} at step {best.step}.")
    tests = (f"{one.claim[0].upper()}{one.claim[1:]}, {one.of}: {one.verdict}." for one in verdicts)
    return " ".join([*told, *tests])


def _interval(verdict: Verdict) -> dict[str, float | None]:
    value = verdict.value
    return {"value": value.mean, "low": value.low, "high": value.high} if value else {"value": None}


def _numbers(tables: Tables, accuracy: Comparison, study: Study, verdicts: Sequence[Verdict]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    outside = tables.group("out_of_domain")
    shown: list[tuple[str, int | None, Run]] = [("curve", one.step, one.run) for one in study.curve]
    shown += [("restart", one.step, one.run) for one in study.restarts]
    shown += [(f"surgery: {words}", None, run) for one in study.surgeries for words, run in _operated(one)]
    shares = {one.run.name: recovered(accuracy, study, one, outside) for one in study.restarts}
    for panel, step, run in shown:
        for group in GROUPS:
            found = accuracy.estimate(run.name, tables.group(group))
            about = {"panel": panel, "group": group, "run": run.name, "label": run.label, "method": run.method}
            numbers = dict(zip(("value", "low", "high"), percent(found), strict=True))
            share = shares.get(run.name) if group == "out_of_domain" and panel == "restart" else None
            more = {"step": step, "seeds": found.seeds if found else 0, "recovered": share}
            rows.append({**about, **numbers, **more})
    for one in verdicts:
        about = {"panel": f"test: {one.claim}", "label": one.of, "group": one.statistic, "verdict": one.verdict}
        rows.append({**about, **_interval(one)})
    return pd.DataFrame(rows, columns=HEADS)
