"""Says what was run: scale, runs, seeds, steps, problems, samples, and everything that is missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from analysis.output.item import Figure
from analysis.parts.style import title
from red.tables.reader import Benchmark, Run, Tables


@dataclass(frozen=True)
class Account:
    """The factual part of a caption. `sizes`: benchmark to (problems, samples per problem)."""

    scale: str
    runs: tuple[Run, ...]
    resampling: str = ""
    sizes: Mapping[Benchmark, tuple[int, int]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Sentences for the caption."""
        parts = [f"Scale: {self.scale}."]
        if self.scale == "tiny":
            parts.append("Tiny models on synthetic problems: not comparable with the paper's numbers.")
        if trained := [run for run in self.runs if run.seeds]:
            parts.append("Runs: " + "; ".join(_like_runs(trained)) + ".")
            parts += _engines(trained)
        if self.sizes:
            sizes = (
                f"{one.heading} {problems} problems x {samples}" for one, (problems, samples) in self.sizes.items()
            )
            parts.append("Evaluated: " + ", ".join(sizes) + " samples.")
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
                    "versions": {str(seed): origin for seed, origin in run.origins().items()},
                }
                for run in self.runs
            ],
            "problems": {benchmark.name: problems for benchmark, (problems, _) in self.sizes.items()},
            "samples": {benchmark.name: samples for benchmark, (_, samples) in self.sizes.items()},
            "resampling": self.resampling,
            "missing": list(self.missing),
            "notes": list(self.notes),
        }


def account_of(
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
        sizes={} if scores is None else _sizes(tables, scores),
        missing=tuple(dict.fromkeys([*missing_runs(runs), *missing])),
        notes=(*notes, *_mixed_code(runs)),
    )


def result_figure(
    tables: Tables, heading: str, caption: str, picture: Picture, numbers: pd.DataFrame, account: Account
) -> Figure:
    """A figure of measured results: its title names the scale, its caption ends with the account."""
    text = title(heading, tables.scale)
    picture.suptitle(text, x=0.01, ha="left")
    return Figure(text, f"{caption} {account.text()}", picture, numbers, account.facts())


def missing_runs(runs: Iterable[Run]) -> list[str]:
    """`RED (seed 2)`, or `RED (all seeds)` where nothing is finished."""
    return [
        f"{run.label} ({f'seed {_listed(run.missing_seeds)}' if run.seeds else 'all seeds'})"
        for run in runs
        if run.missing_seeds or not run.seeds
    ]


def _mixed_code(runs: Iterable[Run]) -> list[str]:
    """Seeds of one run made by different code are repeats of different things; say so."""
    mixed = [run.label for run in runs if len({code for _, code in run.versions.values()}) > 1]
    return [f"Seeds come from different versions of the code: {', '.join(mixed)}."] if mixed else []


def _engines(runs: Iterable[Run]) -> list[str]:
    """With which engine; by run where there are several."""
    by_engine: dict[str, list[str]] = {}
    for run in runs:
        if run.engine:
            by_engine.setdefault(run.engine, []).append(run.label)
    if len(by_engine) < 2:
        return [f"Engine: {engine}." for engine in by_engine]
    return ["Engines: " + "; ".join(f"{engine} ({', '.join(labels)})" for engine, labels in by_engine.items()) + "."]


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
    return f"seed{'s' * (len(seeds) > 1)} {_listed(seeds)}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _steps(steps: int | None) -> str:
    return f", {steps} steps" if steps else ""


def _sizes(tables: Tables, scores: pd.DataFrame) -> dict[Benchmark, tuple[int, int]]:
    rows = dict(iter(scores.groupby("benchmark")))
    return {
        benchmark: (rows[benchmark.name]["problem"].nunique(), int(rows[benchmark.name]["samples"].max()))
        for benchmark in tables.benchmarks
        if benchmark.name in rows
    }
