"""Metrics by training step: the common part of every figure that shows how training went."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.measures.compare import on_shared_seeds
from analysis.measures.entropy import METRICS
from analysis.parts.style import SELF_GENERATED, TEACHER_FORCED, Look, no_data, step_axis
from analysis.parts.trend import trend
from red.tables.reader import Run, Tables

BAND = "Lines: mean over seeds; bands: lowest to highest seed."
ENTROPIES = {  # metric: label and look of its line
    METRICS["entropy_rollout"]: ("own rollouts", Look(SELF_GENERATED, "-", "o")),
    METRICS["entropy_demonstration"]: ("demonstrations (teacher-forced)", Look(TEACHER_FORCED, (0, (4, 1.4)), "s")),
}
COLUMNS = ("panel", "run", "label", "metric", "step", "mean", "low", "high", "raw", "raw_low", "raw_high", "seeds")
SMALL = 5.8  # points
FRACTION = 40  # a trend reaches over a fortieth of the steps to either side


@dataclass(frozen=True)
class Line:
    """One metric of one run."""

    run: Run
    metric: str
    label: str
    look: Look


@dataclass(frozen=True)
class Panel:
    """One set of axes. `zero` draws a line at 0; `log` makes the y axis and the averages logarithmic.

    `smooth`: a trend through faint raw points; without it the raw values are the line.
    """

    title: str
    ylabel: str
    lines: tuple[Line, ...]
    log: bool = False
    zero: bool = False
    smooth: bool = True


@dataclass(frozen=True)
class Curves:
    """What `draw` plotted: the numbers, lines without data, how many steps a trend takes together, and which seeds.

    `notes` says what was left out.
    """

    numbers: pd.DataFrame
    missing: tuple[str, ...]
    window: int
    seeds: frozenset[int]
    notes: tuple[str, ...]

    @property
    def how(self) -> str:
        """The sentences of the caption about bands, trends and seeds."""
        smoothed = (
            f"Each seed's line is a centred mean over {self.window} steps, fewer towards both ends, where it is the "
            "raw value; points: raw values, mean over seeds."
        )
        return " ".join([BAND, *([smoothed] if self.window > 1 else []), *self.notes])


def draw(tables: Tables, axes: Iterable[Axes], panels: Sequence[Panel]) -> Curves:
    """Draw each panel on its axes and return the numbers plotted, of the seeds that all of these runs have."""
    lines = [line for panel in panels for line in panel.lines]
    logged, notes = on_shared_seeds(tables.dynamics([line.run for line in lines], [line.metric for line in lines]))
    groups = dict(iter(logged.groupby(["run", "metric"])))
    half = int(logged["step"].max() - logged["step"].min() + 1) // FRACTION if len(logged) else 0
    reached = 0
    curves, missing = [], []
    for panel, where in zip(panels, axes, strict=True):
        for line in panel.lines:
            frame = groups.get((line.run.name, line.metric))
            if frame is None:
                # A run without seeds is named as a whole by the account.
                missing += [f"{line.metric} of {line.run.label}"] * bool(line.run.seeds)
                continue
            spacing = _spacing(frame)
            reach = half // spacing if panel.smooth else 0
            reached = max(reached, reach * spacing)
            curve = mean_curve(frame, reach, panel.log)
            _draw_curve(where, curve, line)
            heading = (panel.title or panel.ylabel).replace("\n", " ")
            names = {"panel": heading, "run": line.run.name, "label": line.run.label, "metric": line.metric}
            curves.append(curve.assign(**names))
        where.set_title(panel.title)
        if where.lines:
            _label_axes(where, panel)
        else:
            no_data(where, _why_empty(panel.lines))
    numbers = pd.concat(curves)[list(COLUMNS)] if curves else pd.DataFrame(columns=COLUMNS)
    return Curves(numbers, tuple(missing), 2 * reached + 1, frozenset(logged["seed"]), notes)


def entropy_lines(run: Run) -> tuple[Line, ...]:
    """Both logged entropies of a run."""
    return tuple(Line(run, metric, label, look) for metric, (label, look) in ENTROPIES.items())


def mean_curve(frame: pd.DataFrame, reach: int = 0, log: bool = False) -> pd.DataFrame:
    """Columns step, mean, low, high, seeds: mean, lowest and highest seed by step; and the same without a trend as raw,
    raw_low, raw_high.

    `frame` has columns seed, step, value. Each seed has its trend first, over `reach` logged steps to either side. With
    `log` all averages are geometric and values that are not positive are dropped.
    """
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    kept = frame[frame["value"] > 0] if log else frame
    wide = kept.assign(value=forward(kept["value"])).pivot_table(index="step", columns="seed", values="value")
    smooth = pd.DataFrame(trend(wide.to_numpy(dtype=float), reach), wide.index, wide.columns).where(wide.notna())
    columns = {"step": wide.index}
    for names, values in ((("mean", "low", "high"), smooth), (("raw", "raw_low", "raw_high"), wide)):
        over_seeds = (values.mean(axis=1), values.min(axis=1), values.max(axis=1))
        columns |= {name: back(each.to_numpy()) for name, each in zip(names, over_seeds, strict=True)}
    return pd.DataFrame(columns | {"seeds": wide.notna().sum(axis=1).to_numpy()})


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


def accuracy_axis(where: Axes, numbers: pd.DataFrame) -> None:
    """Group accuracy from 0 to 1, and under each bin how many demonstrations it holds."""
    counts = numbers.groupby("group_accuracy")["demonstrations"].max()
    where.set_xticks(counts.index, [f"{bin_:g}\n{count}" for bin_, count in counts.items()], fontsize=SMALL)
    where.set_xlabel("group accuracy; below: demonstrations", fontsize=SMALL)
    where.set_xlim(-0.03, 1.03)


def _draw_curve(where: Axes, curve: pd.DataFrame, line: Line) -> None:
    """The mean as a line, its range over seeds as a band, raw means as faint points; a single step as a marker."""
    look, steps = line.look, curve["step"]
    marker = look.marker if len(curve) == 1 else ""
    if not np.array_equal(curve["mean"], curve["raw"]):
        # As pixels: hundreds of points would be most of the file.
        where.plot(steps, curve["raw"], ls="", marker=".", ms=2.6, mew=0, alpha=0.4, color=look.color, rasterized=True)
    where.plot(steps, curve["mean"], color=look.color, ls=look.dashes, marker=marker, label=line.label)
    where.fill_between(steps, curve["low"], curve["high"], color=look.color, alpha=0.18, lw=0)


def _why_empty(lines: Sequence[Line]) -> str:
    metrics = dict.fromkeys(line.metric for line in lines if line.run.seeds)
    return "\n".join(["not logged:", *metrics]) if metrics else "no finished run"


def _label_axes(where: Axes, panel: Panel) -> None:
    step_axis(where)
    where.set_ylabel(panel.ylabel)
    if panel.log:
        where.set_yscale("log")
        low, high = where.get_ylim()
        where.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,), numticks=7))
        where.yaxis.set_major_formatter("{x:g}")
        where.yaxis.set_minor_formatter(NullFormatter())
    if panel.zero:
        where.axhline(0, color="black", lw=0.6)


def _spacing(frame: pd.DataFrame) -> int:
    """Steps from one logged value to the next, as a rule."""
    steps = np.unique(frame["step"].to_numpy())
    return max(1, int(np.median(np.diff(steps)))) if len(steps) > 1 else 1
