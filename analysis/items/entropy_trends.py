"""Figure 2: entropies during training.

Entropy (nats) on the model's own rollouts and on the demonstrations, by step, for RED, GRPO and SFT; open markers are
the fixed-prompt probe.
"""

import pandas as pd

from analysis.measures.entropy import METRICS
from analysis.output.item import Figure
from analysis.parts.account import account_of
from analysis.parts.curves import ENTROPIES, Panel, draw, entropy_lines
from analysis.parts.style import canvas, legend_below, no_data, title
from red.tables.reader import Run, Tables

HEADING = "Entropy on rollouts and on demonstrations"


def build(tables: Tables) -> Figure:
    """One panel per run; markers are the fixed-prompt probe where a run does not log an entropy."""
    runs = tables.of_item("entropy_trends") or tables.named("red")
    panels = [Panel(run.label, "nats", entropy_lines(run)) for run in runs]
    picture, axes = canvas(1, len(runs), 2.1, sharey=True)
    curves = draw(tables, axes[0], panels)
    probed = _probed(tables, runs)
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
                    label=f"{label}, probe",
                )
        where.set_xlabel("step")
    for where in axes[0][1:]:
        where.set_ylabel("")
    axes[0][0].set_ylim(bottom=0)
    if not runs:
        no_data(axes[0][0], "no runs")
    legend_below(picture, axes[0], columns=2)
    picture.suptitle(title(HEADING, tables.scale), x=0.01, ha="left")
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return Figure(
        title=title(HEADING, tables.scale),
        caption="Mean entropy of the full next-token distribution (nats) on the model's own rollouts and, "
        "teacher-forced, on the demonstrations of the step; sequence means first, then the mean over "
        "sequences. Open markers: the same quantities on the fixed probe prompts before and after "
        f"training. {account.text()}",
        picture=picture,
        numbers=pd.concat([curves.numbers, probed.assign(panel="probe")]) if len(probed) else curves.numbers,
        facts=account.facts(),
    )


def _probed(tables: Tables, runs: tuple[Run, ...]) -> pd.DataFrame:
    """Probe means by step over seeds, as (run, label, metric, step, mean, low, high, seeds)."""
    rows = tables.probes("entropy", ["run", "seed", "step", "quantity", "value"], runs)
    rows = rows[rows["quantity"].isin(METRICS)]
    seeds = rows.groupby(["run", "quantity", "step", "seed"])["value"].mean()
    points = seeds.groupby(["run", "quantity", "step"]).agg(["mean", "min", "max", "count"]).reset_index()
    points["metric"] = points.pop("quantity").map(METRICS)
    points["label"] = points["run"].map({run.name: run.label for run in runs})
    return points.rename(columns={"min": "low", "max": "high", "count": "seeds"})
