"""Metrics by training step: the common part of every figure that shows how training went."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from analysis.measures.entropy import METRICS
from analysis.parts.style import SELF_GENERATED, TEACHER_FORCED, Look, no_data
from red.tables.reader import Run, Tables

BAND = "Lines: mean over seeds; bands: lowest to highest seed."
ENTROPIES = {  # metric: label and look of its line
    METRICS["entropy_rollout"]: ("own rollouts", Look(SELF_GENERATED, "-", "o")),
    METRICS["entropy_demonstration"]: ("demonstrations (teacher-forced)", Look(TEACHER_FORCED, (0, (4, 1.4)), "s")),
}
COLUMNS = ("panel", "run", "label", "metric", "step", "mean", "low", "high", "seeds")


@dataclass(frozen=True)
class Line:
    """One metric of one run."""

    run: Run
    metric: str
    label: str
    look: Look


@dataclass(frozen=True)
class Panel:
    """One set of axes. `zero` draws a line at 0; `log` makes the y axis and the averages logarithmic."""

    title: str
    ylabel: str
    lines: tuple[Line, ...]
    log: bool = False
    zero: bool = False
    smooth: bool = True


@dataclass(frozen=True)
class Curves:
    """What `draw` plotted: the numbers, lines without data, and the widest smoothing window."""

    numbers: pd.DataFrame
    missing: tuple[str, ...]
    window: int

    @property
    def how(self) -> str:
        """The sentence of the caption about bands and smoothing."""
        smoothed = f" Moving average over {self.window} logged steps." if self.window > 1 else ""
        return BAND + smoothed


def draw(tables: Tables, axes: Iterable[Axes], panels: Sequence[Panel]) -> Curves:
    """Draw each panel on its axes and return the numbers plotted."""
    lines = [line for panel in panels for line in panel.lines]
    logged = tables.dynamics([line.run for line in lines], [line.metric for line in lines])
    groups = dict(iter(logged.groupby(["run", "metric"])))
    window = max((_window(frame) for frame in groups.values()), default=1)
    curves, missing = [], []
    for panel, where in zip(panels, axes, strict=True):
        for line in panel.lines:
            frame = groups.get((line.run.name, line.metric))
            if frame is None:
                missing.append(f"{line.metric} of {line.run.label}")
                continue
            curve = mean_curve(frame, window if panel.smooth else 1, panel.log)
            _draw_curve(where, curve, line)
            heading = (panel.title or panel.ylabel).replace("\n", " ")
            names = {"panel": heading, "run": line.run.name, "label": line.run.label, "metric": line.metric}
            curves.append(curve.assign(**names))
        where.set_title(panel.title)
        if where.lines:
            _label_axes(where, panel)
        else:
            no_data(where, "\n".join(["not logged:", *dict.fromkeys(line.metric for line in panel.lines)]))
    numbers = pd.concat(curves)[list(COLUMNS)] if curves else pd.DataFrame(columns=COLUMNS)
    return Curves(numbers, tuple(missing), window)


def entropy_lines(run: Run) -> tuple[Line, ...]:
    """Both logged entropies of a run."""
    return tuple(Line(run, metric, label, look) for metric, (label, look) in ENTROPIES.items())


def mean_curve(frame: pd.DataFrame, window: int = 1, log: bool = False) -> pd.DataFrame:
    """Columns step, mean, low, high, seeds: mean, lowest and highest seed by step.

    `frame` has columns seed, step, value. Each seed is smoothed first by a centred moving average. With
    `log` all averages are geometric and values that are not positive are dropped.
    """
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    kept = frame[frame["value"] > 0] if log else frame
    wide = kept.assign(value=forward(kept["value"])).pivot_table(index="step", columns="seed", values="value")
    smooth = wide.rolling(window, center=True, min_periods=1).mean().where(wide.notna())
    return pd.DataFrame(
        {
            "step": smooth.index,
            "mean": back(smooth.mean(axis=1).to_numpy()),
            "low": back(smooth.min(axis=1).to_numpy()),
            "high": back(smooth.max(axis=1).to_numpy()),
            "seeds": smooth.notna().sum(axis=1).to_numpy(),
        }
    )


def first_logged(tables: Tables, runs: Sequence[Run], metrics: Sequence[str]) -> str:
    """The first of some metrics that any run logged; the last one if none did."""
    known = set(tables.metric_names(runs))
    return next((name for name in metrics if name in known), metrics[-1])


def band(where: Axes, rows: pd.DataFrame, label: str, look: Look) -> None:
    """A line with its interval over the bins of group accuracy; nothing for no rows."""
    if len(rows):
        x = rows["group_accuracy"]
        where.plot(x, rows["mean"], color=look.color, ls=look.dashes, marker=look.marker, label=label)
        where.fill_between(x, rows["low"], rows["high"], color=look.color, alpha=0.18, lw=0)


def _draw_curve(where: Axes, curve: pd.DataFrame, line: Line) -> None:
    """The mean as a line, its range over seeds as a band; a single step as a marker."""
    look, steps = line.look, curve["step"]
    marker = look.marker if len(curve) == 1 else ""
    where.plot(steps, curve["mean"], color=look.color, ls=look.dashes, marker=marker, label=line.label)
    where.fill_between(steps, curve["low"], curve["high"], color=look.color, alpha=0.18, lw=0)


def _label_axes(where: Axes, panel: Panel) -> None:
    where.set_xlabel("step")
    where.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    where.set_ylabel(panel.ylabel)
    if panel.log:
        where.set_yscale("log")
        where.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
        where.yaxis.set_major_formatter("{x:g}")
        where.yaxis.set_minor_formatter(NullFormatter())
    if panel.zero:
        where.axhline(0, color="black", lw=0.6)


def _window(frame: pd.DataFrame) -> int:
    """About a twentieth of the steps: 10 at 200 steps, 1 for a handful."""
    steps: int = frame["step"].nunique()
    return max(1, round(steps / 20))
