"""Beside Table 5: accuracy against the share of corrupted demonstrations."""

import pandas as pd

from analysis.account import account, benchmark_label
from analysis.compare import PAIRED, compare
from analysis.corruptions import LABELS, corruptions
from analysis.item import Figure
from analysis.style import canvas, legend_below, look, no_data, title
from red.tables.reader import Tables

BENCHMARKS = ("math500", "aime25")
LINES = {"noisy_labels": ("-", "o"), "adversarial_chains": ((0, (4, 1.6)), "s"), "permuted_accuracy": (":", "^")}


def build(tables: Tables) -> Figure:
    """One panel per benchmark; a line per method and corruption, starting at the clean run."""
    runs = tables.of_item("corruption_rates") or tables.of_item("robustness")
    scores = tables.scores(runs)
    accuracy = compare(scores)
    numbers = _numbers(tables, runs, accuracy)
    picture, axes = canvas(1, len(BENCHMARKS), 2.5)
    known = {run.name: run for run in runs}
    for panel, benchmark in zip(axes[0], BENCHMARKS, strict=True):
        here = numbers[numbers["benchmark"] == benchmark] if len(numbers) else numbers
        if here.empty:
            no_data(panel, "no finished runs")
        for shift, ((parent, kind), line) in enumerate(here.groupby(["parent", "kind"]) if len(here) else ()):
            style = look(known[parent]) if parent in known else look(tables.named(parent)[0])
            dashes, marker = LINES[kind]
            x = line["rate"] + 0.35 * (shift - 1.5)  # intervals beside, not on top of each other
            errors = [line["value"] - line["low"], line["high"] - line["value"]]
            label = f"{line['label'].iloc[0]}, {LABELS[kind].lower()}"
            panel.errorbar(
                x,
                line["value"],
                errors,
                color=style.color,
                linestyle=dashes,
                marker=marker,
                label=label,
                elinewidth=0.7,
                capsize=1.5,
            )
        panel.set_title(benchmark_label(benchmark, tables.scale))
        panel.set_xlabel("prompts with corrupted demonstrations (%)")
        panel.set_ylabel("accuracy (%)")
    picture.suptitle(title("Accuracy against corruption rate", tables.scale), x=0.01, ha="left")
    legend_below(picture, axes[0], columns=2)
    said = account(tables, runs, PAIRED, scores[scores["benchmark"].isin(BENCHMARKS)], accuracy.incomplete)
    return Figure(
        title=title("Accuracy against corruption rate", tables.scale),
        caption="Accuracy after training on demonstrations of which a share of the prompts is corrupted; "
        f"points are set slightly apart. {said.text()}",
        picture=picture,
        numbers=numbers,
        facts=said.facts(),
    )


def _numbers(tables: Tables, runs, accuracy) -> pd.DataFrame:
    known = corruptions(runs)
    labels = {one.run.name: one.run.label for one in known if one.kind == "clean"}
    rows = []
    lines = sorted({(one.parent, one.kind) for one in known if one.kind != "clean"})
    for parent, kind in lines:
        points = [(0, parent)] + [(c.rate, c.run.name) for c in known if (c.parent, c.kind) == (parent, kind)]
        for rate, run in sorted(points):
            for benchmark in BENCHMARKS:
                if found := accuracy.estimate(run, [benchmark]):
                    rows.append(
                        {
                            "parent": parent,
                            "label": labels.get(parent, parent),
                            "kind": kind,
                            "rate": rate,
                            "benchmark": benchmark,
                            "run": run,
                            "value": 100 * found.mean,
                            "low": 100 * found.low,
                            "high": 100 * found.high,
                            "seeds": found.seeds,
                        }
                    )
    return pd.DataFrame(rows)
