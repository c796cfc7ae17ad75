"""Figure 8: entropies of MixPolicy and the RED variants, and the weight w they lead to."""

from analysis.account import account
from analysis.curves import Line, Panel, draw
from analysis.entropy_trends import KINDS
from analysis.item import Figure
from analysis.style import FULL, legend_below, looks, plt, title
from red.tables.reader import Tables

HEADING = "Training dynamics of MixPolicy and RED"


def build(tables: Tables) -> Figure:
    """(a) both entropies by step, one panel per run; (b) raw quotient of entropy changes, and w."""
    runs = tables.of_item("training_dynamics") or tables.named("red")
    styles = looks(runs)
    picture = plt.figure(figsize=(FULL, 3.9))
    upper, lower = picture.subfigures(2, 1, squeeze=False)[:, 0]
    above = upper.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    below = lower.subplots(1, 2, squeeze=False)[0]
    entropies = [
        Panel(f"(a) {run.label}", "nats", tuple(Line(run, m, k[1], k[2]) for m, k in KINDS.items())) for run in runs
    ]
    weights = [
        Panel("(b) Raw quotient of entropy changes", "sft / rl", _lines(runs, "red/w_raw", styles), log=True),
        Panel("(c) Weight w on demonstrations", "w", _lines(runs, "red/w", styles)),
    ]
    drawn = draw(tables, [*above, *below], [*entropies, *weights])
    for where in above[1:]:
        where.set_ylabel("")
    above[0].set_ylim(bottom=0)
    legend_below(upper, above)
    legend_below(lower, below)
    picture.suptitle(title(HEADING, tables.scale), x=0.01, ha="left")
    said = account(tables, runs, drawn.how, missing=drawn.missing)
    return Figure(
        title=title(HEADING, tables.scale),
        caption="(a) Entropy on rollouts and on demonstrations. (b) Quotient of the absolute relative "
        "changes of both entropies from step to step, demonstrations over rollouts, before clipping "
        "(logarithmic). (c) The weight w after clipping; runs without the first component keep 1. "
        f"{said.text()}",
        picture=picture,
        numbers=drawn.numbers,
        facts=said.facts(),
    )


def _lines(runs, metric, styles) -> tuple[Line, ...]:
    return tuple(Line(run, metric, run.label, styles[run.name]) for run in runs)
