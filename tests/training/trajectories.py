"""Stored trajectories: every metric and the weights of five steps of each toy training, in trajectories.json.

They were made by the code that they watch, at the commit that the file names: a guard against change that nobody meant,
not a proof. The proof is the second computation in plain_training.py. After a change that is meant, run

    python -m tests.training.trajectories

which prints every number that moves, then writes the file anew.
"""

import json
import math
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.training import toy
from tests.training.variants import VARIANTS

FILE = Path(__file__).with_name("trajectories.json")
TIMED = ("time/", "gpu/")
# Processors round differently, and AdamW divides small gradients by small ones; measured 2e-4 and 6e-5.
RELATIVE, ABSOLUTE = 1e-3, 2e-4

Columns = dict[str, list[float | None]]


def columns(training: toy.ToyTraining) -> Columns:
    """Metrics by step, None where a step has none; the weights' norm, and how far and where they moved."""
    names = sorted({key for row in training.rows for key in row if not key.startswith(TIMED)})
    found: Columns = {name: [_short(row.get(name)) for row in training.rows] for name in names}
    start, *others = (torch.cat([w[n].double().flatten() for n in sorted(w)]) for w in training.weights)
    direction = torch.arange(len(start), dtype=torch.float64).cos()
    found["weights/norm"] = [_short(other.norm().item()) for other in others]
    found["weights/moved"] = [_short((other - start).norm().item()) for other in others]
    found["weights/direction"] = [_short(((other - start) @ direction).item()) for other in others]
    return found


def differences(stored: Columns, found: Columns) -> Iterator[str]:
    """One line for each number that is not the stored one."""
    for name in sorted(stored.keys() | found.keys()):
        old, new = stored.get(name), found.get(name)
        if old is None or new is None or len(old) != len(new):
            yield f"{name}: {old} -> {new}"
            continue
        for step, (one, other) in enumerate(zip(old, new, strict=True)):
            if (one is None) is not (other is None) or (one is not None and not _close(one, other)):
                yield f"{name}, step {step}: {one} -> {other}"


def _close(one: float, other: float | None) -> bool:
    return other is not None and math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def main() -> None:
    """Train all, print what moves, write."""
    stored = json.loads(FILE.read_text())["trainings"] if FILE.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        toy.write_world(root)
        found = {
            name: columns(toy.trained(root, root / name, toy.run_spec(v.method, v.overrides, **v.training)))
            for name, v in VARIANTS.items()
        }
    for name, training in found.items():
        moved = list(differences(stored.get(name, {}), training))
        for line in moved:
            print(f"{name}: {line}")
        if not moved:  # another processor rounds otherwise
            found[name] = stored[name]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    parts = []
    for name, training in found.items():
        lines = ",\n".join(f'   "{key}": {json.dumps(values)}' for key, values in training.items())
        parts.append(f'  "{name}": {{\n{lines}\n  }}')
    FILE.write_text(f'{{\n "made_at": "{commit}",\n "trainings": {{\n' + ",\n".join(parts) + "\n }\n}\n")


if __name__ == "__main__":
    main()
