"""Figure 8: training dynamics.

Both entropies of MixPolicy and the RED variants, the raw quotient of entropy changes (demonstrations over rollouts) and
the weight w after clipping.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as Picture

from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import Line, Panel, draw, entropy_lines
from analysis.parts.style import FULL, Look, legend_below, looks
from red.tables.reader import Run, Tables


def build(tables: Tables) -> Figure:
    """(a) both entropies by step, one panel per run; (b) raw quotient of entropy changes, and w."""
    runs = tables.of_item("training_dynamics") or tables.named("red")
    styles = looks(runs)
    picture = Picture(figsize=(FULL, 3.9))
    upper, lower = picture.subfigures(2, 1, squeeze=False)[:, 0]
    above = upper.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    below = lower.subplots(1, 2, squeeze=False)[0]
    entropies = [Panel(f"(a) {run.label}", "nats", entropy_lines(run)) for run in runs]
    weights = [
        Panel("(b) Raw quotient of entropy changes", "demonstr./rollouts", _lines(runs, "red/w_raw", styles), log=True),
        Panel("(c) Weight w on demonstrations", "w", _lines(runs, "red/w", styles)),
    ]
    curves = draw(tables, [*above, *below], [*entropies, *weights])
    for where in above[1:]:
        where.set_ylabel("")
    above[0].set_ylim(bottom=0)
    legend_below(upper, above)
    legend_below(lower, below)
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Training dynamics: entropies and the weight w",
        "(a) Entropy on rollouts and on demonstrations. (b) Quotient of the absolute relative "
        "changes of both entropies from step to step, demonstrations over rollouts, before clipping "
        "(logarithmic). (c) The weight w after clipping; runs without the first component keep 1.",
        picture,
        curves.numbers,
        account,
    )


def _lines(runs: Sequence[Run], metric: str, styles: Mapping[str, Look]) -> tuple[Line, ...]:
    return tuple(Line(run, metric, run.label, styles[run.name]) for run in runs)
