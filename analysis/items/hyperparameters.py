"""Table 4: clipping range and window of w.

RED with other bounds and averaging windows of the weight w: accuracy on AIME25, MATH500 and their mean, beside Table 4
of the paper, with the median of w and how often it meets its bounds.
"""

from typing import Any

import numpy as np

from analysis.output.item import Cell, Table
from analysis.parts.accuracy_table import Extra, accuracy_table
from red.tables.reader import Run, Tables

EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, np.inf)


def build(tables: Tables) -> Table:
    """RED with clip (1, G), (0, G), (1, inf) and windows 1, 5, 10: AIME25, MATH500 and their mean."""
    return accuracy_table(
        tables,
        "hyperparameters",
        "Clipping range and window of the weight w",
        "Accuracy in percent. Overall: unweighted mean of the two columns. Median w and the share of "
        "steps at the lower / upper bound are over all steps and seeds; the CSV has the histogram of w.",
        ("aime25", "math500"),
        "Overall",
        lengths=False,
        ranked=lambda run: True,
        same_seeds=True,
        extra=Extra(("median w", "w at bounds"), lambda run: _weights(tables, run)),
    )


def _weights(tables: Tables, run: Run) -> tuple[tuple[Cell, ...], list[dict[str, Any]]]:
    names = ("red/w", "red/w_at_low", "red/w_at_high")
    logged = {m: rows["value"] for m, rows in tables.dynamics([run], names).groupby("metric")}
    if "red/w" not in logged:
        return (Cell("missing"), Cell("missing")), []
    w = logged["red/w"]
    bounds = [f"{100 * logged[name].mean():.0f} %" if name in logged else "?" for name in names[1:]]
    counts, _ = np.histogram(w, EDGES)
    about = {"metric": "share of steps with w in range", "unit": "share", "seeds": len(run.seeds)}
    numbers = [{"column": "w", "metric": "median", "value": w.median(), "seeds": len(run.seeds)}]
    for low, high, count in zip(EDGES, EDGES[1:], counts, strict=False):
        numbers.append({"column": f"w in [{low:g}, {high:g})", "value": count / len(w), **about})
    return (Cell(f"{w.median():.2f}"), Cell(" / ".join(bounds))), numbers
