"""Figure 6: estimates of the offline policy.

RED's estimate, both readings of LUFFY's, and the large model's probability by group accuracy; and each estimate's mean
absolute token error.
"""

from analysis.measures.confidence import RESAMPLING, by_accuracy, demonstrations
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import accuracy_axis, band
from analysis.parts.style import GREY, LOOKS, MAGENTA, Look, canvas, legend_below, no_data
from red.tables.reader import Tables

RED, LUFFY = LOOKS["red"].color, LOOKS["luffy"].color
LINES = {
    "large": ("large model", Look(MAGENTA, "-", "s")),
    "red": ("RED: β + (1−β)π", Look(RED, "-", "X")),
    "luffy_shape": ("LUFFY: π + 0.1 (may exceed 1)", Look(LUFFY, (0, (4, 1.6)), "P")),
    "luffy_one": ("LUFFY, MixPolicy: 1", Look(LUFFY, (0, (1, 1.3)), "D")),
    "small": ("small model: π", Look(GREY, (0, (5, 1.4, 1, 1.4)), "o")),
}


def build(tables: Tables) -> Figure:
    """(a) mean estimate by group accuracy; (b) mean absolute token error against the large model."""
    run, frame = demonstrations(tables)
    errors = {name: f"error_{name}" for name in LINES if f"error_{name}" in frame}
    numbers = by_accuracy(frame, [name for name in LINES if name in frame] + list(errors.values()))
    picture, axes = canvas(1, 2, 2.6)
    for where, names in ((axes[0][0], {name: name for name in LINES}), (axes[0][1], errors)):
        for name, quantity in names.items():
            band(where, numbers[numbers["quantity"] == quantity], *LINES[name])
        if not where.lines:
            no_data(where, "not probed")
            continue
        accuracy_axis(where, numbers)
        where.set_ylim(0, 1.06 * max(line.get_ydata().max() for line in where.lines))
    axes[0][0].set(title="(a) Estimate", ylabel="mean over tokens")
    axes[0][1].set(title="(b) Token error", ylabel="mean absolute error")
    legend_below(picture, axes[0], columns=3)
    runs = (run,) if run else tables.named("base")
    account = account_of(
        tables,
        runs,
        RESAMPLING,
        missing=() if run else ("the confidence probe",),
        notes=(f"{len(frame)} demonstrations, {int(frame['tokens'].sum())} tokens.",),
    )
    return result_figure(
        tables,
        "Estimates of the offline policy",
        "What stands in for the unknown policy that wrote the demonstration, beside the probability "
        "a large model gives. RED: β is the group accuracy. LUFFY has no such estimate: it sets 1 and shapes "
        "the ratio, which can be read as π + 0.1; both readings are shown.",
        picture,
        numbers,
        account,
    )
