"""Figure 5: how probable the demonstrations are to the small and the large model, by group accuracy."""

from analysis.account import account
from analysis.confidence import RESAMPLING, by_accuracy, demonstrations
from analysis.item import Figure
from analysis.style import BLACK, BLUE, MAGENTA, canvas, legend_below, no_data, title
from red.tables.reader import Tables

HEADING = "Confidence on demonstrations by group accuracy"
LINES = {
    "small": ("small model (base)", BLUE, "-", "o"),
    "large": ("large model", MAGENTA, (0, (4, 1.4)), "s"),
    "gap": ("large minus small", BLACK, "-", "D"),
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
        where.set_xlabel("group accuracy of the base model")
        where.set_xlim(-0.03, 1.03)
    axes[0][0].set(title="(a) Token probability", ylabel="mean token probability")
    axes[0][1].set(title="(b) Gap", ylabel="difference")
    if axes[0][1].lines:
        axes[0][1].axhline(0, color=BLACK, lw=0.6)
    legend_below(picture, axes[0])
    picture.suptitle(title(HEADING, tables.scale), x=0.01, ha="left")
    runs = (run,) if run else tables.named("base")
    missing = () if run else ("the confidence probe",)
    sizes = f"{len(frame)} demonstrations, {int(frame['tokens'].sum())} tokens."
    said = account(tables, runs, RESAMPLING, missing=missing, notes=(sizes,))
    return Figure(
        title=title(HEADING, tables.scale),
        caption="Mean teacher-forced probability of the demonstration's tokens (mean over tokens, then over "
        "demonstrations) against the accuracy of the base model's rollouts on the same prompt, nine bins. "
        f"{said.text()}",
        picture=picture,
        numbers=numbers,
        facts=said.facts(),
    )


def band(where, rows, label: str, color: str, dashes, marker: str) -> None:
    """A line with its interval over the bins of group accuracy."""
    if rows.empty:
        return
    where.plot(rows["group_accuracy"], rows["mean"], color=color, ls=dashes, marker=marker, label=label)
    where.fill_between(rows["group_accuracy"], rows["low"], rows["high"], color=color, alpha=0.18, lw=0)
