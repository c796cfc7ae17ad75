"""The weight w as a signal: entropy changes against their standard errors, and w if they were noise."""

import numpy as np
import pandas as pd

from red.tables.reader import Run, Tables

CONTROLS = ("red_w_constant", "red_w_resampled", "red_w_scrambled")
LOW, HIGH = 1.0, 8.0
SOURCES = {"rollout": "rollouts", "demonstration": "demonstrations"}


def entropy_changes(tables: Tables, run: Run) -> pd.DataFrame:
    """Columns seed, step, source, change, error: relative entropy change and its standard error.

    change = |1 - H_s / H_{s-1}|; error = sqrt(se_s^2 + se_{s-1}^2) / H_{s-1}, for window 1.
    """
    names = [f"entropy/{source}{end}" for source in SOURCES for end in ("", "_se")]
    logged = tables.dynamics([run], names)
    parts = []
    for seed, rows in logged.groupby("seed"):
        wide = rows.pivot(index="step", columns="metric", values="value")
        for source in SOURCES:
            if {f"entropy/{source}", f"entropy/{source}_se"} <= set(wide):
                entropy, error = wide[f"entropy/{source}"], wide[f"entropy/{source}_se"]
                part = pd.DataFrame(
                    {
                        "change": (1 - entropy / entropy.shift()).abs(),
                        "error": np.hypot(error, error.shift()) / entropy.shift(),
                    }
                )
                parts.append(part.dropna().assign(seed=seed, source=source).reset_index())
    columns = ["seed", "step", "source", "change", "error"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def below_two_errors(changes: pd.DataFrame) -> pd.DataFrame:
    """Share of steps with change < 2 errors, by source and seed."""
    below = changes.assign(value=(changes["change"] < 2 * changes["error"]).astype(float))
    shares = below.groupby(["source", "seed"], as_index=False)["value"].mean()
    return shares.assign(panel="b", quantity="share of steps below 2 s.e.")


def noise_weights(rollouts: int, draws: int = 200_000) -> np.ndarray:
    """w if both changes were pure noise: sqrt(rollouts) |Z1 / Z2|, clipped."""
    random = np.random.default_rng(0)
    first, second = np.abs(random.standard_normal((2, draws)))
    w: np.ndarray = np.clip(np.sqrt(rollouts) * first / second, LOW, HIGH)
    return w


def logged_noise(changes: pd.DataFrame, draws: int = 50) -> np.ndarray:
    """w if both changes were noise of the logged size, step by step."""
    wide = changes.pivot_table(index=["seed", "step"], columns="source", values="error").dropna()
    if wide.empty or not set(SOURCES) <= set(wide):
        return np.array([])
    random = np.random.default_rng(1)
    rollout, demonstration = (np.abs(random.standard_normal((draws, len(wide)))) * wide[s].to_numpy() for s in SOURCES)
    w: np.ndarray = np.clip(demonstration / np.maximum(rollout, 1e-6), LOW, HIGH).ravel()
    return w
