"""Says what was run: scale, runs, seeds, steps, problems, samples, and everything that is missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from red.tables.reader import Run, Tables

BENCHMARKS = {
    "aime24": "AIME24",
    "aime25": "AIME25",
    "amc": "AMC",
    "math500": "MATH500",
    "minerva": "Minerva",
    "olympiad": "Olympiad",
    "arc_c": "ARC-C",
    "gpqa_diamond": "GPQA-D",
    "mmlu_pro": "MMLU-Pro",
}
MATH = ("aime24", "aime25", "amc", "math500", "minerva", "olympiad")
OUT_OF_DOMAIN = ("arc_c", "gpqa_diamond", "mmlu_pro")


def benchmark_label(name: str, scale: str) -> str:
    """`MATH500`, with a star at tiny scale, where a synthetic set stands in for it."""
    return BENCHMARKS.get(name, name) + ("" if scale == "paper" else "*")


@dataclass(frozen=True)
class Account:
    """The factual part of a caption. `sizes`: benchmark to (problems, samples per problem)."""

    scale: str
    runs: tuple[Run, ...]
    resampling: str = ""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Sentences for the caption."""
        parts = [f"Scale: {self.scale}."]
        if self.scale == "tiny":
            parts.append("Tiny models on synthetic problems: not comparable with the paper's numbers.")
        if done := [run for run in self.runs if run.seeds]:
            parts.append("Runs: " + "; ".join(_like_runs(done)) + ".")
        if self.sizes:
            shown = (
                f"{benchmark_label(name, self.scale)} {problems} problems x {samples}"
                for name, (problems, samples) in self.sizes.items()
            )
            parts.append("Evaluated: " + ", ".join(shown) + " samples.")
        parts += [self.resampling] if self.resampling else []
        parts += self.notes
        parts.append("Missing: " + ("; ".join(self.missing) if self.missing else "nothing") + ".")
        return " ".join(parts)

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "scale": self.scale,
            "runs": [
                {
                    "run": run.name,
                    "label": run.label,
                    "seeds": list(run.seeds),
                    "steps": run.steps,
                    "family": run.family,
                    "versions": {str(seed): made for seed, made in run.origins().items()},
                }
                for run in self.runs
            ],
            "problems": {name: size[0] for name, size in self.sizes.items()},
            "samples": {name: size[1] for name, size in self.sizes.items()},
            "resampling": self.resampling,
            "missing": list(self.missing),
            "notes": list(self.notes),
        }


def account(
    tables: Tables,
    runs: Sequence[Run],
    resampling: str = "",
    scores: pd.DataFrame | None = None,
    missing: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Account:
    """Account of these runs; `scores` (from `Tables.scores`) gives the sizes of the benchmarks."""
    return Account(
        scale=tables.scale,
        runs=tuple(runs),
        resampling=resampling,
        sizes=_sizes(scores),
        missing=tuple(dict.fromkeys([*missing_runs(runs), *missing])),
        notes=(*notes, *_mixed_code(runs)),
    )


def missing_runs(runs: Iterable[Run]) -> list[str]:
    """`RED (seed 2)`, or `RED (all seeds)` where nothing is finished."""
    found = []
    for run in runs:
        if not run.seeds:
            found.append(f"{run.label} (all seeds)")
        elif run.missing_seeds:
            found.append(f"{run.label} (seed {', '.join(map(str, run.missing_seeds))})")
    return found


def _mixed_code(runs: Iterable[Run]) -> list[str]:
    """Seeds of one run made by different code are repeats of different things; say so."""
    mixed = [run.label for run in runs if len({code for _, code in run.versions.values()}) > 1]
    return [f"Seeds come from different versions of the code: {', '.join(mixed)}."] if mixed else []


def _like_runs(runs: Sequence[Run]) -> list[str]:
    """Runs that share seeds, steps and configuration family are named together."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for run in runs:
        alike.setdefault((run.seeds, run.steps, run.family), []).append(run.label)
    return [
        ", ".join(labels) + f" ({_plural(seeds)}{_steps(steps)}{f', {family} configuration' * bool(family)})"
        for (seeds, steps, family), labels in alike.items()
    ]


def _plural(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _steps(steps: int | None) -> str:
    return f", {steps} steps" if steps else ""


def _sizes(scores: pd.DataFrame | None) -> dict[str, tuple[int, int]]:
    if scores is None or scores.empty:
        return {}
    groups = scores.groupby("benchmark")
    present = [name for name in BENCHMARKS if name in groups.groups]
    present += [name for name in groups.groups if name not in BENCHMARKS]
    return {
        name: (groups.get_group(name)["problem"].nunique(), int(groups.get_group(name)["samples"].max()))
        for name in present
    }
