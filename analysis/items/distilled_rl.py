"""Figure 1: RL after distillation.

Rollout length, rollout time, over-thinking words and accuracy by step, for RL from the SFT checkpoint and from the base
model. The paper shows length falling from about 6k to 3k tokens.
"""

from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.curves import Line, Panel, draw, first_logged
from analysis.parts.style import canvas, legend_below, looks
from red.tables.reader import Tables


def build(tables: Tables) -> Figure:
    """Length, rollout time, over-thinking words and accuracy by step."""
    runs = tables.of_item("distilled_rl")
    styles = looks(runs)
    accuracy = first_logged(tables, runs, ("eval/math500/acc", "accuracy/rollout"))
    measured = "MATH500" if accuracy.startswith("eval") else "training prompts"

    def panel(heading: str, ylabel: str, metric: str) -> Panel:
        lines = (Line(run, metric, run.label, styles[run.name]) for run in runs)
        return Panel(heading, ylabel, tuple(lines), smooth=not metric.startswith("eval"))

    panels = (
        panel("(a) Rollout length", "tokens", "length/rollout"),
        panel("(b) Rollout time", "seconds per step", "time/rollout_s"),
        panel("(c) Over-thinking words", "per 1,000 tokens", "words/overthink_per_1k"),
        panel(f"(d) Accuracy on {measured}", "share correct", accuracy),
    )
    picture, axes = canvas(2, 2, 3.9)
    curves = draw(tables, axes.flat, panels)
    for where in axes.flat:
        where.set_ylim(bottom=0)
    legend_below(picture, axes.flat)
    account = account_of(tables, runs, curves.how, missing=curves.missing)
    return result_figure(
        tables,
        "Reinforcement learning after distillation",
        "Mean length of rollouts, rollout time per step, over-thinking words (But, Wait, "
        "Alternatively and others; the stored list) per 1,000 rollout tokens, and accuracy. Lengths, words "
        f"and times are measured on rollouts of training prompts; accuracy on {measured}.",
        picture,
        curves.numbers,
        account,
    )
