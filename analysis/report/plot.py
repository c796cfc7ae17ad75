"""Chosen metrics of chosen runs as a page to touch or as a picture."""

from collections.abc import Sequence

from matplotlib.figure import Figure as Picture

from analysis.output.template import render, script_json
from analysis.parts.style import FULL, legend_below, step_axis
from analysis.parts.trend import trend
from analysis.report.curves import Curve, packed
from analysis.report.page import asset
from red.errors import ConfigError
from red.escape import visible
from red.plumbing.records import suggestion

FIRST = ("entropy/rollout", "entropy/demonstration", "red/w", "accuracy/rollout", "loss/total")
REACH = 40  # a trend reaches over a fortieth of the steps on either side
MOST_AXES = 24  # of a picture
MOST = 10_000_000  # values of a page of its own: none is left out


def chosen(curves: Sequence[Curve], metrics: Sequence[str]) -> list[str]:
    """These metrics, or without any the first ones that somebody logged; ConfigError names one that nobody logged."""
    known = list(dict.fromkeys(curve.metric for curve in curves))
    for metric in metrics:
        if metric not in known:
            raise ConfigError(f"--metric: {metric!r} is in none of these logs{suggestion(metric, sorted(known))}")
    return list(dict.fromkeys(metrics)) or [metric for metric in FIRST if metric in known] or known[:3]


def page(curves: Sequence[Curve], metrics: Sequence[str]) -> str:
    """A page with all metrics of these runs, which opens on some of them."""
    runs = list(dict.fromkeys(curve.run for curve in curves))
    return render(
        "curves.html",
        title=", ".join(dict.fromkeys(curve.label for curve in curves)),
        style=asset("uplot.css", "curves.css", "report.css"),
        script=asset("uplot.js", "curves.js"),
        data=script_json({"curves": packed(curves, MOST), "first": {"runs": runs, "metrics": list(metrics)}}),
    )


def picture(curves: Sequence[Curve], metrics: Sequence[str]) -> Picture:
    """One set of axes per metric, raw points faint, the trend of each seed as a line."""
    if len(metrics) > MOST_AXES:
        raise ConfigError(
            f"--metric: {len(metrics)} are too many for one picture; at most {MOST_AXES}, or an .html page"
        )
    drawn = Picture(figsize=(FULL, 0.5 + 1.9 * len(metrics)), layout="constrained")
    axes = drawn.subplots(len(metrics), 1, squeeze=False)[:, 0]
    dashes = ("-", "--", ":", "-.")
    for where, metric in zip(axes, metrics, strict=True):
        for curve in (one for one in curves if one.metric == metric):
            label = curve.label if curve.seed is None else f"{curve.label}, seed {curve.seed}"
            dash = dashes[(curve.seed or 0) % len(dashes)]
            smooth = trend(curve.values, len(curve.steps) // REACH)
            where.plot(curve.steps, curve.values, ls="", marker=".", ms=2.5, alpha=0.3, color=curve.color)
            marker = "o" if len(curve.steps) == 1 else ""
            where.plot(curve.steps, smooth, ls=dash, marker=marker, color=curve.color, label=label)
        where.set_title(visible(metric))
        step_axis(where)
    legend_below(drawn, axes)
    return drawn
