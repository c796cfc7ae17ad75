"""How far trainings turned singular vectors, from the probe `rotation`: per matrix, and over all of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.derived.curve import kind, step_of, study_of
from red.tables.reader import BASE, Run, Tables

PROBE, ALL = "rotation", "all"
ANGLES = ("angle", "angle_null", "angle_null_low", "angle_null_high", "angle_rounding")  # degrees
VALUES = ("value_change", "value_change_null", "value_change_rounding", "norm_change")  # percent
ENERGIES = ("energy_diagonal", "energy_in_span", "energy_outside")  # shares
EXCESS = "angle_excess"  # the angle minus the mean of its null
SPREAD = (EXCESS, "value_change")  # whose lowest and highest seed are kept
HEADS = (
    *("run", "label", "matrix", "step", "seeds", *ANGLES, EXCESS, *VALUES, *ENERGIES),
    *(f"{name}_{end}" for name in SPREAD for end in ("low", "high")),
    *("beyond", "claimed"),
)


@dataclass(frozen=True)
class Phase:
    """A training with its measured models, by step; `start`: the step of what it starts from, 0 is the base.

    `is_rl`: it is not the trunk of the study, but starts where that does, or from one of its models.
    """

    owner: Run
    start: int
    models: tuple[Run, ...]
    is_rl: bool


def phases_of(runs: Sequence[Run], everything: Sequence[Run]) -> list[Phase]:
    """Trainings among `runs`, or whose snapshots are; surgery is no training. `everything` has their starts."""
    known, trunk = {run.name: run for run in everything}, study_of(runs).trunk
    models: dict[str, list[Run]] = {}
    for run in runs:
        if kind(run) in (None, "snapshot") and run.name != BASE:
            owner = run.derived_from[0] if run.derived_from else run.name
            models.setdefault(owner, []).append(run)
    phases = []
    for name, own in models.items():
        trained = known.get(name, Run(name, name, name))
        parent, step = trained.parent or (None, 0)
        start = step if step is not None else step_of(known[parent]) if parent in known else 0
        phases.append(Phase(trained, start, tuple(sorted(own, key=step_of)), trunk is None or name != trunk.name))
    return phases


def rotations(tables: Tables, runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run and matrix, and one over ALL matrices: means over seeds.

    `beyond`: share of matrices and seeds whose left and right median angle both lie above the range in which 95 % of
    random changes of the same norm would. `claimed`: whether more than half of the matrices do, in every seed.
    """
    frame = tables.probes(PROBE, ["run", "seed", "example", "quantity", "value"], runs)
    if frame.empty:
        return pd.DataFrame(columns=HEADS)
    wide = frame.pivot(index=["run", "seed", "example"], columns="quantity", values="value").reset_index()
    for name in ANGLES:
        sides = [wide[name.replace("angle", side)] for side in ("angle_left", "angle_right")]
        wide[name] = np.degrees((sides[0] + sides[1]) / 2)
    for name in VALUES:
        wide[name] = 100 * wide[name]
    wide[EXCESS] = wide["angle"] - wide["angle_null"]
    above = [wide[side] > wide[f"{side}_null_high"] for side in ("angle_left", "angle_right")]
    wide["beyond"] = (above[0] & above[1]).astype(float)
    rows = []
    for run in runs:
        own = wide[wide["run"] == run.name]
        for matrix, part in [(ALL, own), *own.groupby("example", sort=False)] if len(own) else []:
            rows.append({"run": run.name, "label": run.label, "matrix": matrix, "step": step_of(run), **_means(part)})
    return pd.DataFrame(rows, columns=HEADS)


def _means(part: pd.DataFrame) -> dict[str, object]:
    """Over the matrices of each seed, then over seeds."""
    by_seed = part.groupby("seed")[[*ANGLES, EXCESS, *VALUES, *ENERGIES, "beyond"]].mean()
    row: dict[str, object] = dict(by_seed.mean()) | {"seeds": len(by_seed)}
    row |= {f"{name}_low": by_seed[name].min() for name in SPREAD}
    row |= {f"{name}_high": by_seed[name].max() for name in SPREAD}
    return row | {"claimed": bool((by_seed["beyond"] > 0.5).all())}
