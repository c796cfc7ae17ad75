"""The confidence probe: per demonstration, what two models think of its tokens (Figures 5 and 6)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.measures.coefficients import LUFFY_GAMMA
from analysis.measures.compare import bootstrap_mean
from red.tables.reader import Run, Tables

BINS = 8  # group accuracy k/8, nine bins
RESAMPLING = "Bands: 95 % bootstrap over demonstrations."
ESTIMATES = ("small", "large", "red", "luffy_one", "luffy_shape")


def demonstrations(tables: Tables) -> tuple[Run | None, pd.DataFrame]:
    """The probed run and one row per demonstration.

    Columns: example, accuracy (of the group), bin (0..8), tokens, and means over its tokens of `small`,
    `large` (probabilities) and of the offline policies `red` = beta + (1 - beta) p_small with beta = group
    accuracy, `luffy_one` = 1, `luffy_shape` = p_small + 0.1; `error_*` are mean absolute token errors
    against the large model. Columns of the large model are NaN where it was not probed.
    """
    probed = tables.probed("confidence")
    if not probed:
        return None, pd.DataFrame(columns=["example", "accuracy", "bin", "tokens", *ESTIMATES])
    run = probed[0]
    rows = tables.probes("confidence", ["seed", "example", "position", "quantity", "value"], [run])
    rows = rows[rows["seed"] == rows["seed"].min()].drop(columns="seed")
    rows["example"] = rows["example"].astype("category")
    accuracy = rows[rows["quantity"] == "group_accuracy"].groupby("example", observed=True)["value"].mean()
    small, large = (_tokens(rows, name) for name in ("p_small", "p_large"))
    tokens = small.to_frame("small").join(large.rename("large"))
    tokens = tokens.join(accuracy.rename("accuracy"), on="example").dropna(subset=["small", "accuracy"])
    beta = tokens["accuracy"]
    tokens["red"] = beta + (1 - beta) * tokens["small"]
    tokens["luffy_one"] = 1.0
    tokens["luffy_shape"] = tokens["small"] + LUFFY_GAMMA
    for name in ("red", "luffy_one", "luffy_shape", "small"):
        tokens[f"error_{name}"] = (tokens[name] - tokens["large"]).abs()
    means = tokens.groupby("example", observed=True).mean()
    means["tokens"] = tokens.groupby("example", observed=True).size()
    means["bin"] = (means["accuracy"] * BINS).round().astype(int)
    return run, means.reset_index()


def by_accuracy(frame: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Columns quantity, group_accuracy, mean, low, high, demonstrations: one row per bin."""
    rows = []
    for (index, part), quantity in ((pair, q) for q in quantities for pair in frame.groupby("bin")):
        values = part[quantity].dropna().to_numpy(dtype=float)
        if len(values):
            mean = bootstrap_mean(values)
            rows.append((quantity, index / BINS, mean.mean, mean.low, mean.high, len(values)))
    names = ["quantity", "group_accuracy", "mean", "low", "high", "demonstrations"]
    return pd.DataFrame(rows, columns=names)


def slope(frame: pd.DataFrame, quantity: str) -> np.ndarray:
    """Bootstrap draws (over demonstrations) of the least-squares slope of a quantity on accuracy."""
    part = frame[["accuracy", quantity]].dropna().to_numpy(dtype=float)
    random = np.random.default_rng(0)
    picks = random.integers(0, len(part), (2000, len(part)))
    x, y = part[picks, 0], part[picks, 1]
    x = x - x.mean(axis=1, keepdims=True)
    spread = (x**2).sum(axis=1)
    slopes: np.ndarray = (x * y).sum(axis=1)[spread > 0] / spread[spread > 0]
    return slopes


def _tokens(rows: pd.DataFrame, quantity: str) -> pd.Series:
    part = rows[rows["quantity"] == quantity]
    return part.groupby(["example", "position"], observed=True)["value"].first()
