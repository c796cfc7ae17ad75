"""Figure 5: confidence on demonstrations.

Teacher-forced probability of the demonstrations' tokens under the small and the large model, by the group accuracy of
the base model, and the gap between them. Bands: bootstrap over demonstrations.
"""

from analysis.measures.confidence import RESAMPLING, by_accuracy, demonstrations
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import accuracy_axis, band
from analysis.parts.style import BLACK, BLUE, MAGENTA, Look, canvas, legend_below, no_data
from red.tables.reader import Tables

LINES = {
    "small": ("small model (base)", Look(BLUE, "-", "o")),
    "large": ("large model", Look(MAGENTA, (0, (4, 1.4)), "s")),
    "gap": ("large minus small", Look(BLACK, "-", "D")),
}


def build(tables: Tables) -> Figure:
    """(a) mean token probability under both models; (b) their difference, paired by demonstration."""
    run, frame = demonstrations(tables)
    frame["gap"] = frame["large"] - frame["small"]
    numbers = by_accuracy(frame, tuple(LINES))
    picture, axes = canvas(1, 2, 2.4)
    panels = zip(axes[0], (("small", "large"), ("gap",)), strict=True)
    for where, quantities in panels:
        for quantity in quantities:
            band(where, numbers[numbers["quantity"] == quantity], *LINES[quantity])
        if not where.lines:
            no_data(where, "not probed")
            continue
        accuracy_axis(where, numbers)
    axes[0][0].set(title="(a) Token probability", ylabel="mean token probability")
    axes[0][1].set(title="(b) Gap", ylabel="difference")
    if axes[0][1].lines:
        axes[0][1].axhline(0, color=BLACK, lw=0.6)
    legend_below(picture, axes[0])
    runs = (run,) if run else tables.named("base")
    missing = () if run else ("the confidence probe",)
    sizes = f"{len(frame)} demonstrations, {int(frame['tokens'].sum())} tokens."
    account = account_of(tables, runs, RESAMPLING, missing=missing, notes=(sizes,))
    return result_figure(
        tables,
        "Confidence on demonstrations by group accuracy",
        "Mean teacher-forced probability of the demonstration's tokens (mean over tokens, then over "
        "demonstrations) against the accuracy of the base model's rollouts on the same prompt, nine bins.",
        picture,
        numbers,
        account,
    )
