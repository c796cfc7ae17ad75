"""Forgetting out of domain, and what brings it back.

Accuracy in and out of domain over the snapshots of SFT, with RL joined to the model that it starts from; and the ends
of trainings with the singular vectors or the singular values of an earlier model, beside a random change of the same
norm. After Jin et al. (arXiv 2509.12235), with intervals and the null that their figures lack.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, Comparison, compare, percent
from analysis.measures.forgetting import (
    Study,
    Surgery,
    Verdict,
    method_label,
    peak,
    peaks_apart,
    recovered,
    restored,
    shares_fall,
    study_of,
)
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import BLACK, BLUE, EMPTY, GREY, MAGENTA, canvas, legend_below, look, no_data
from red.tables.reader import Run, Tables

GROUPS = {"math": "in domain (mathematics)", "out_of_domain": "out of domain"}
KINDS = {"vectors": "vectors restored", "values": "values restored", "null": "random, same norm"}


def build(tables: Tables) -> Figure:
    """(a, b) accuracy by step of SFT with RL from there; a panel for each end that was operated on."""
    runs = tables.of_item("forgetting", base=True)
    study = study_of(runs)
    if study.trunk is None and not study.surgeries:
        return _nothing(tables, runs)
    scores = tables.scores(runs)
    accuracy = compare(scores)
    columns = max(2, len(study.surgeries))
    picture, axes = canvas(2 if study.surgeries else 1, columns, 5.0 if study.surgeries else 2.7)
    for where, group, letter in zip(axes[0], GROUPS, "ab", strict=False):
        _draw_curve(where, accuracy, study, tables.group(group), f"({letter}) {GROUPS[group].capitalize()}")
    for where, surgery, letter in zip(axes[1:].flat, study.surgeries, "cdefgh", strict=False):
        _draw_surgery(where, tables, accuracy, surgery, letter)
    for where in [*axes[0][2:], *axes[1:].flat[len(study.surgeries) :]]:
        where.set_axis_off()
    legend_below(picture, axes.flat)
    verdicts = _verdicts(tables, accuracy, study)
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete)
    figure = result_figure(
        tables,
        "Forgetting out of domain",
        "(a, b) Unweighted mean accuracy of each group of benchmarks by step of SFT (step 0 is the base model); a "
        "line joins the end of RL to the model that it starts from. Below: the end of a training, as it is and with "
        "the singular vectors or the singular values of another model in its q, k, v and down projections, and with a "
        f"random change of the norm that the vectors bring. {_told(accuracy, study, tables, verdicts)}",
        picture,
        _numbers(tables, accuracy, study, verdicts),
        account,
    )
    return replace(figure, facts={**figure.facts, "tests": [{**vars(one), **_interval(one)} for one in verdicts]})


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
    measured = np.array([percent(accuracy.estimate(one.run.name, benchmarks)) for one in study.curve]).reshape(-1, 3)
    if np.isnan(measured).all():
        return no_data(where, "no finished runs")
    steps, places = [one.step for one in study.curve], np.arange(len(study.curve))
    mean, low, high = measured.T
    trunk = look(study.curve[-1].run)
    label = study.trunk.label if study.trunk else ""
    where.errorbar(places, mean, [mean - low, high - mean], color=trunk.color, marker=trunk.marker, ms=3, label=label)
    methods = list(dict.fromkeys(model.run.method for model in study.restarts))
    for model in study.restarts:
        end = percent(accuracy.estimate(model.run.name, benchmarks))
        style, shift = look(Run(model.run.method, "", model.run.method)), methods.index(model.run.method) + 1
        place = float(np.interp(model.step, steps, places))
        x = place + 0.5 * shift / (len(methods) + 1)
        if np.isnan(end[0]):
            continue
        start = mean[places[steps.index(model.step)]] if model.step in steps else np.nan
        where.plot([place, x], [start, end[0]], color=style.color, lw=0.7, ls=":")
        errors = [[end[0] - end[1]], [end[2] - end[0]]]
        name = method_label(study, model.run.method)
        where.errorbar(
            x, end[0], errors, color=style.color, ls="", marker=style.marker, ms=4, elinewidth=0.7, label=name
        )
    where.set_xticks(places, [str(step) for step in steps])
    return None


def _draw_surgery(where: Axes, tables: Tables, accuracy: Comparison, surgery: Surgery, letter: str) -> None:
    where.set(title=f"({letter}) {surgery.late.label}, with parts of {surgery.donor.label}", xlabel="accuracy (%)")
    rows = _operated(surgery)
    for group, color, shift in zip(GROUPS, (BLUE, MAGENTA), (-0.12, 0.12), strict=True):
        for place, (_, run) in enumerate(rows):
            mean, low, high = percent(accuracy.estimate(run.name, tables.group(group)))
            if np.isnan(mean):
                where.text(0.5, place, "missing", transform=where.get_yaxis_transform(), ha="center", color=GREY)
                continue
            marker = "o" if group == "math" else "D"
            errors = [[mean - low], [high - mean]]
            where.errorbar(
                mean,
                place + shift,
                xerr=errors,
                color=color,
                marker=marker,
                ls="",
                ms=4,
                elinewidth=0.8,
                label=GROUPS[group],
            )
    where.set_yticks(range(len(rows)), [words for words, _ in rows], color=BLACK)
    where.set_ylim(len(rows) - 0.5, -0.5)
    where.grid(False, axis="y")


def _operated(surgery: Surgery) -> list[tuple[str, Run]]:
    made = [(words, surgery.made[kind]) for kind, words in KINDS.items() if kind in surgery.made]
    return [("as it is", surgery.late), *made, (f"{surgery.donor.label}, whole", surgery.donor)]


def _told(accuracy: Comparison, study: Study, tables: Tables, verdicts: Sequence[Verdict]) -> str:
    """Where the peaks are, and what the tests say."""
    told = []
    for group, words in GROUPS.items():
        if (best := peak(accuracy, study.curve, tables.group(group))) is not None:
            told.append(f"Highest {words.split(' (')[0]} at step {best.step}.")
    return " ".join([*told, *(f"{one.claim.capitalize()}, {one.of}: {one.verdict}." for one in verdicts)])


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
