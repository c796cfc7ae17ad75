"""Figure 9: tokens outside the clipping range.

Share of rollout and demonstration tokens whose ratio leaves 1 ± 0.2 in the MixPolicy run with four updates per rollout.
Outside the range does not mean that the gradient is clipped.
"""

from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import Line, Panel, draw
from analysis.parts.style import SELF_GENERATED, TEACHER_FORCED, Look, canvas, legend_below
from red.tables.reader import Tables


def build(tables: Tables) -> Figure:
    """On-policy tokens (ratio to the old policy) against demonstration tokens (ratio to 1)."""
    runs = tables.of_item("out_of_range") or tables.named("mix_policy_4updates")
    kinds = {
        "ratio/out_of_range_rollout": ("rollout tokens", Look(SELF_GENERATED, "-")),
        "ratio/out_of_range_demonstration": ("demonstration tokens", Look(TEACHER_FORCED, (0, (4, 1.4)))),
    }
    panels = [
        Panel(run.label, "share of tokens", tuple(Line(run, m, *kind) for m, kind in kinds.items())) for run in runs
    ]
    picture, axes = canvas(1, len(runs), 2.2, sharey=True)
    curves = draw(tables, axes[0], panels)
    axes[0][0].set_ylim(bottom=0)
    for where in axes[0][1:]:
        where.set_ylabel("")
    legend_below(picture, axes[0])
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Tokens outside the clipping range",
        "Share of tokens with a ratio outside 1 ± 0.2: rollouts against the policy that made them, "
        "demonstrations with the ratio taken as π/1. With one update per rollout the first share is 0 by "
        "construction, so this run makes four. Outside the range does not mean clipped: with a positive "
        "advantage a ratio below 1 keeps its gradient.",
        picture,
        curves.numbers,
        account,
    )
