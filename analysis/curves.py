"""Metrics by training step: the common part of every figure that shows how training went."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from analysis.style import Look, draw_trend, no_data, smoothing_window, trend
from red.tables.reader import Run, Tables

BAND = "Lines: mean over seeds; bands: lowest to highest seed."
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
class Drawn:
    """What `draw` found: plotted numbers, lines without data, and the widest smoothing window."""

    numbers: pd.DataFrame
    missing: tuple[str, ...]
    window: int

    @property
    def how(self) -> str:
        """The sentence of the caption about bands and smoothing."""
        smoothed = f" Moving average over {self.window} logged steps." if self.window > 1 else ""
        return BAND + smoothed


def draw(tables: Tables, axes: Iterable[Axes], panels: Sequence[Panel]) -> Drawn:
    """Draw each panel on its axes and return the numbers shown."""
    lines = [line for panel in panels for line in panel.lines]
    data = tables.dynamics([line.run for line in lines], [line.metric for line in lines])
    groups = dict(iter(data.groupby(["run", "metric"])))
    window = max((smoothing_window(frame) for frame in groups.values()), default=1)
    shown, missing = [], []
    for panel, where in zip(panels, axes, strict=True):
        found = False
        for line in panel.lines:
            frame = groups.get((line.run.name, line.metric))
            if frame is None:
                missing.append(f"{line.metric} of {line.run.label}")
                continue
            found = True
            curve = trend(frame, window if panel.smooth else 1, panel.log)
            draw_trend(where, curve, line.look, line.label)
            about = {
                "panel": (panel.title or panel.ylabel).replace("\n", " "),
                "run": line.run.name,
                "label": line.run.label,
            }
            shown.append(curve.assign(**about, metric=line.metric))
        where.set_title(panel.title)
        if not found:
            no_data(where, "\n".join(["not logged:", *dict.fromkeys(line.metric for line in panel.lines)]))
            continue
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
    numbers = pd.concat(shown)[list(COLUMNS)] if shown else pd.DataFrame(columns=COLUMNS)
    return Drawn(numbers, tuple(missing), window)


def first_logged(tables: Tables, runs: Sequence[Run], metrics: Sequence[str]) -> str:
    """The first of some metrics that any run logged; the last one if none did."""
    known = set(tables.metric_names(runs))
    return next((name for name in metrics if name in known), metrics[-1])
