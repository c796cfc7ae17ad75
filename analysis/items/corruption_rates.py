"""Beside Table 5: accuracy against the corruption rate.

Accuracy on MATH500 and AIME25 when 0, 5, 10, 20 and 40 percent of the prompts carry corrupted demonstrations. The paper
has no such sweep.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from analysis.measures.compare import PAIRED, Comparison, compare, on_shared_seeds, percent
from analysis.measures.corruptions import LABELS, corruptions
from analysis.output.item import Figure
from analysis.parts.account import account_of, result_figure
from analysis.parts.style import canvas, legend_below, look, no_data
from red.tables.reader import Run, Tables

BENCHMARKS = ("math500", "aime25")
LINES = {"noisy_labels": "-", "adversarial_chains": (0, (4, 1.6)), "permuted_accuracy": ":"}
COLUMNS = ("parent", "label", "kind", "rate", "benchmark", "run", "value", "low", "high", "seeds")


def build(tables: Tables) -> Figure:
    """One panel per benchmark; a line per method and corruption, starting at the clean run."""
    runs = tables.of_item("corruption_rates") or tables.of_item("robustness")
    scores, notes = on_shared_seeds(tables.scores(runs, BENCHMARKS))
    accuracy = compare(scores)
    numbers = _numbers(runs, accuracy)
    picture, axes = canvas(1, len(BENCHMARKS), 2.5)
    for panel, benchmark in zip(axes[0], BENCHMARKS, strict=True):
        _draw(panel, tables, numbers[numbers["benchmark"] == benchmark])
        panel.set_title(tables.benchmark(benchmark).heading)
        panel.set_xlabel("prompts with corrupted demonstrations (%)")
        panel.set_ylabel("accuracy (%)")
    legend_below(picture, axes[0], columns=2)
    account = account_of(tables, runs, PAIRED, scores, accuracy.incomplete, notes)
    return result_figure(
        tables,
        "Accuracy against corruption rate",
        "Accuracy after training on demonstrations of which a share of the prompts is corrupted; "
        "points are set slightly apart.",
        picture,
        numbers,
        account,
    )


def _draw(panel: Axes, tables: Tables, points: pd.DataFrame) -> None:
    if points.empty:
        no_data(panel, "no finished runs")
    for shift, ((parent, kind), line) in enumerate(points.groupby(["parent", "kind"])):
        style = look(tables.named(parent)[0])  # its marker tells the run in a grey print, dashes the corruption
        panel.errorbar(
            line["rate"] + 0.35 * (shift - 1.5),  # intervals beside, not on top of each other
            line["value"],
            [line["value"] - line["low"], line["high"] - line["value"]],
            color=style.color,
            linestyle=LINES[kind],
            marker=style.marker,
            label=f"{line['label'].iloc[0]}, {LABELS[kind].lower()}",
            elinewidth=0.7,
            capsize=1.5,
        )


def _numbers(runs: Sequence[Run], accuracy: Comparison) -> pd.DataFrame:
    known = corruptions(runs)
    clean = {one.parent: one.run for one in known if one.kind == "clean"}
    rows = []
    lines = sorted({(one.parent, one.kind) for one in known if one.kind != "clean"})
    for parent, kind in lines:
        points = [(0, clean[parent].name)] if parent in clean else []
        points += [(c.rate, c.run.name) for c in known if (c.parent, c.kind) == (parent, kind)]
        for rate, run in sorted(points):
            for benchmark in BENCHMARKS:
                if estimate := accuracy.estimate(run, [benchmark]):
                    label = clean[parent].label if parent in clean else parent
                    rows.append((parent, label, kind, rate, benchmark, run, *percent(estimate), estimate.seeds))
    return pd.DataFrame(rows, columns=COLUMNS)
