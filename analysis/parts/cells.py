"""Cells of tables of results, and the rows of numbers behind them."""

from typing import Any

from analysis.measures.compare import Estimate, percent
from analysis.output.item import Cell, Mark
from red.statistics.intervals import Difference


def percent_cell(estimate: Estimate | None, paper: float | None = None, mark: Mark = "") -> Cell:
    """`41.2` over `[39.8, 42.7]` over the paper's number."""
    reported = "" if paper is None else f"{paper:g}"
    if estimate is None:
        return Cell("missing", reported=reported)
    mean, low, high = (f"{value:.1f}" for value in percent(estimate))
    return Cell(mean, f"[{low}, {high}]", reported, mark)


def rate_text(rate: float) -> str:
    """A learning rate as configurations have it: 2.5e-4."""
    mantissa, _, exponent = f"{rate:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def difference_cell(change: Difference | None) -> Cell:
    """`-0.8` over `[-1.9, 0.2]`, in points."""
    if change is None:
        return Cell("missing")
    mean, low, high = (f"{value:+.1f}" for value in percent(change))
    return Cell(mean, f"[{low}, {high}]")


def number(
    column: str,
    metric: str,
    estimate: Estimate | None,
    factor: float,
    unit: str,
    paper: float | None = None,
    mark: Mark = "",
) -> dict[str, Any]:
    """One row of a table's CSV, `factor` times the estimate; empty where nothing was measured."""
    value, low, high = percent(estimate, factor)
    seeds, units = (estimate.seeds, estimate.units) if estimate else (0, 0)
    row = {"column": column, "metric": metric, "value": value, "low": low, "high": high, "seeds": seeds, "units": units}
    return row | {"unit": unit, "reported": paper, "mark": mark}


def difference_number(run: str, column: str, metric: str, change: Difference | None) -> dict[str, Any]:
    """One row of a CSV for a paired difference in points."""
    row = {"run": run, "column": column, "metric": metric, "unit": "points"}
    if change is None:
        return row
    value, low, high = percent(change)
    return row | {"value": value, "low": low, "high": high, "p": change.p}
