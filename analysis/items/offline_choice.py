"""Figure 10: choice of the offline policy.

Entropies and accuracy by step with the offline policy set to 1, to the policy itself, and to the accuracy-aware shift,
w = 1 throughout.
"""

from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import Line, Panel, draw, entropy_lines, first_logged
from analysis.parts.style import BLACK, Look, canvas, legend_below
from red.tables.reader import Tables

CHOICES = {  # the runs that differ in nothing else
    "mix_policy": "π_off = 1",
    "offline_self": "π_off = π",
    "red_ii": "π_off = β + (1−β) π",
}


def build(tables: Tables) -> Figure:
    """A column per choice: entropies above, accuracy below (two rows instead of two y axes)."""
    tagged = tables.of_item("offline_choice") or tables.named(*CHOICES)
    runs = sorted(tagged, key=lambda run: list(CHOICES).index(run.name) if run.name in CHOICES else len(CHOICES))
    headings = [f"{CHOICES[run.name]}\n({run.label})" if run.name in CHOICES else run.label for run in runs]
    accuracy = first_logged(tables, runs, ("eval/math500/acc", "accuracy/rollout"))
    measured = "MATH500" if accuracy.startswith("eval") else "training prompts"
    entropies = [
        Panel(heading, "entropy (nats)", entropy_lines(run)) for run, heading in zip(runs, headings, strict=True)
    ]
    accuracies = [
        Panel(
            "",
            f"accuracy\n({measured})",
            (Line(run, accuracy, f"accuracy, {measured}", Look(BLACK)),),
            smooth=not accuracy.startswith("eval"),
        )
        for run in runs
    ]
    picture, axes = canvas(2, len(runs), 3.3, sharey="row", sharex=True)
    curves = draw(tables, axes.flat, entropies + accuracies)
    for where in axes[:, 1:].flat:
        where.set_ylabel("")
    for where in axes[0]:
        where.set_xlabel("")
    for where in axes[:, 0]:
        where.set_ylim(bottom=0)
    legend_below(picture, axes.flat, columns=3)
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Choice of the offline policy",
        "Entropies on rollouts and demonstrations (above) and accuracy (below) when the offline "
        "policy is 1, the current policy, or the shift; the weight w is 1 in all.",
        picture,
        curves.numbers,
        account,
    )
