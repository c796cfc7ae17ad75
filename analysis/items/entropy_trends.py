"""Figure 2: entropies during training.

Entropy (nats) on the model's own rollouts and on the demonstrations, by step, for RED, GRPO and SFT; open markers are
the fixed-prompt probe.
"""

import pandas as pd

from analysis.measures.entropy import METRICS
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import ENTROPIES, Panel, draw, entropy_lines
from analysis.parts.style import canvas, legend_below, no_data
from red.tables.reader import Run, Tables

PROBE = ", probe"


def build(tables: Tables) -> Figure:
    """One panel per run; markers are the fixed-prompt probe where a run does not log an entropy."""
    runs = tables.of_item("entropy_trends") or tables.named("red")
    panels = [Panel(run.label, "nats", entropy_lines(run)) for run in runs]
    picture, axes = canvas(1, len(runs), 2.1, sharey=True)
    curves = draw(tables, axes[0], panels)
    probed = _probed(tables, runs, curves.seeds)
    for run, where in zip(runs, axes[0], strict=True):
        if not where.lines and (probed["run"] == run.name).any():
            where.clear()
            where.set_title(run.label)
        for metric, (label, look) in ENTROPIES.items():
            points = probed[(probed["run"] == run.name) & (probed["metric"] == metric)]
            if len(points):
                where.plot(
                    points["step"],
                    points["mean"],
                    ls="",
                    marker=look.marker,
                    mfc="white",
                    color=look.color,
                    label=label + PROBE,
                )
        where.set_xlabel("step")
    for where in axes[0][1:]:
        where.set_ylabel("")
    axes[0][0].set_ylim(bottom=0)
    if not runs:
        no_data(axes[0][0], "no runs")
    labels = [label for label, _ in ENTROPIES.values()]
    # Down the columns: each line above its probe.
    order = [each for label in labels for each in (label, label + PROBE)]
    legend_below(picture, axes[0], columns=2, order=order)
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Entropy on rollouts and on demonstrations",
        "Mean entropy of the full next-token distribution (nats) on the model's own rollouts and, "
        "teacher-forced, on the demonstrations of the step; sequence means first, then the mean over "
        "sequences. Open markers: the same quantities on the fixed probe prompts before and after "
        "training.",
        picture,
        pd.concat([curves.numbers, probed.assign(panel="probe")]) if len(probed) else curves.numbers,
        account,
    )


def _probed(tables: Tables, runs: tuple[Run, ...], only: frozenset[int]) -> pd.DataFrame:
    """Probe means by step over the seeds of the curves, as (run, label, metric, step, mean, low, high, seeds)."""
    rows = tables.probes("entropy", ["run", "seed", "step", "quantity", "value"], runs)
    rows = rows[rows["quantity"].isin(METRICS)]
    rows = rows[rows["seed"].isin(only)] if only else rows
    seeds = rows.groupby(["run", "quantity", "step", "seed"])["value"].mean()
    points = seeds.groupby(["run", "quantity", "step"]).agg(["mean", "min", "max", "count"]).reset_index()
    points["metric"] = points.pop("quantity").map(METRICS)
    points["label"] = points["run"].map({run.name: run.label for run in runs})
    return points.rename(columns={"min": "low", "max": "high", "count": "seeds"})
