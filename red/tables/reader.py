"""Reads the collected tables, column by column, and tells which runs an item has and which it lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from red.errors import DataError
from red.escape import visible
from red.plumbing.partials import open_regular
from red.tables import complete
from red.tables.entries import checked
from red.tables.schema import BENCHMARK_KEYS, DYNAMICS, ORIGIN, PROBES, RUN_KEYS, SCORES
from red.tables.source import AGAIN, among, open_table, problem_means, read

BASE = "base"  # the prepared base model, evaluated like a run
DERIVED = "derived"  # in the place of the method of a model that is made of others
OVERALL = "overall"  # the column of means over the benchmarks
REPRODUCTIONS = ("tiny", "paper", "")  # scales beside which the paper's numbers mean something
SYNTHETIC = "embedded"  # the source of a generated benchmark
REPORTED = ("table", "item", "row", "run", "column", "metric", "value", "unit", "notes")
LARGEST = 1e150
"""Of a metric that is drawn: the squares of larger ones, and distances between them, are no numbers."""
VERSION = [name for name, _ in ORIGIN]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of the configuration. `source`: where its problems come from."""

    name: str
    label: str
    group: str = ""
    metric: str = ""
    source: str = ""

    @property
    def synthetic(self) -> bool:
        """Whether generated problems stand in for those that the name promises."""
        return self.source == SYNTHETIC

    @property
    def heading(self) -> str:
        """`MATH500`, with a star where a synthetic set stands in for it."""
        return self.label + "*" * self.synthetic


@dataclass(frozen=True)
class Study:
    """The study that a run belongs to, and the setting of the knob that it changes; the reference changes none."""

    name: str
    knob: str = ""
    setting: str = ""


@dataclass(frozen=True)
class Run:
    """One line of the configuration with the seeds that are finished and those that are not.

    `versions` gives spec hash and code fingerprint of each finished seed, as far as they were recorded;
    `commits` the git commit, with a + where files had changes. `rate_of`: the run one of whose rates it tries;
    `parameters` of its model.
    """

    name: str
    label: str
    method: str
    row_group: str = ""
    items: tuple[str, ...] = ()
    scale: str = ""
    family: str = ""
    steps: int | None = None
    seeds: tuple[int, ...] = ()
    missing_seeds: tuple[int, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    commits: Mapping[int, str] = field(default_factory=dict)
    because: str = ""
    rate_of: str = ""
    parameters: float | None = None
    study: Study | None = None

    @property
    def rate(self) -> float | None:
        """Its learning rate; the base has none."""
        training = self.spec.get("training")
        rate = training.get("lr") if isinstance(training, Mapping) else None
        return rate if isinstance(rate, (int, float)) else None

    @property
    def engine(self) -> str:
        """What trained it; empty for the base."""
        training = self.spec.get("training")
        engine = training.get("engine") if isinstance(training, Mapping) else None
        return engine if isinstance(engine, str) else ""

    def origins(self) -> dict[int, dict[str, str]]:
        """Spec hash, code fingerprint and commit of each finished seed."""
        return {
            seed: {"spec_hash": spec, "code": code, "commit": self.commits.get(seed, "")}
            for seed, (spec, code) in self.versions.items()
            if seed in self.seeds
        }

    @property
    def parent(self) -> tuple[str, int | None] | None:
        """The run it starts from and the snapshot's step, None for the final checkpoint or for base."""
        return self._named("init_from")

    @property
    def derived_from(self) -> tuple[str, int | None] | None:
        """The same of a derived model: the run that it is a model of, changed or not; None for other runs."""
        return self._named("of")

    def _named(self, key: str) -> tuple[str, int | None] | None:
        name, _, step = str(self.spec.get(key) or "").partition("@")
        return (name, int(step) if step.isdecimal() else None) if name and name != BASE else None


@dataclass(frozen=True)
class Tables:
    """Everything an item may read. Frames are fetched with the columns and runs that are asked for."""

    runs: tuple[Run, ...]
    benchmarks: tuple[Benchmark, ...]
    scores_source: ds.Dataset
    dynamics_source: ds.Dataset
    probes_source: ds.Dataset
    reported: pd.DataFrame

    @property
    def scale(self) -> str:
        """`tiny`, `paper`, or several joined by "+" if the runs differ."""
        return "+".join(sorted({run.scale for run in self.runs if run.scale})) or "unknown"

    @property
    def studies(self) -> tuple[Study, ...]:
        """The studies that were joined (`red.tables.join`), in their order; at most one where none were."""
        return tuple(dict.fromkeys(run.study for run in self.runs if run.study))

    def of_study(self, study: Study) -> "Tables":
        """The tables of one of `studies` before it was joined, in memory."""
        joined = {run.name: run.name.removesuffix(f"@{study.name}") for run in self.runs if run.study == study}
        sources = {f"{name}_source": getattr(self, f"{name}_source") for name in ("scores", "dynamics", "probes")}
        return replace(
            self,
            runs=tuple(replace(run, name=joined[run.name]) for run in self.runs if run.name in joined),
            **{name: _of_runs(source, joined) for name, source in sources.items()},
        )

    def of_item(self, item: str, base: bool = False) -> tuple[Run, ...]:
        """Runs that the configuration assigns to an item, in its order; with `base`, the base model too."""
        return tuple(run for run in self.runs if item in run.items or (base and run.name == BASE))

    def named(self, *names: str) -> tuple[Run, ...]:
        """Runs by name, in the order asked for; a name the configuration lacks has no seeds."""
        known = {run.name: run for run in self.runs}
        return tuple(known.get(name, Run(name, visible(name), name)) for name in names)

    def group(self, name: str) -> tuple[str, ...]:
        """Names of the benchmarks of a group (`math`, `out_of_domain`), in the order of the configuration."""
        return tuple(benchmark.name for benchmark in self.benchmarks if benchmark.group == name)

    def benchmark(self, name: str) -> Benchmark:
        """A benchmark by name; one that the configuration lacks is labelled by its name."""
        known = {benchmark.name: benchmark for benchmark in self.benchmarks}
        return known.get(name, Benchmark(name, visible(name)))

    def scores(self, runs: Iterable[Run], benchmarks: Sequence[str] | None = None) -> pd.DataFrame:
        """One row per (run, seed, benchmark, problem), see `problem_means`; all benchmarks if None."""
        rows = among("run", _names(runs))
        if benchmarks is not None:
            rows &= among("benchmark", benchmarks)
        keys = ["run", "seed", "benchmark", "problem"]
        frame = problem_means(self.scores_source, keys, rows).to_pandas()
        return frame.sort_values(keys, ignore_index=True)

    def origins(self, runs: Iterable[Run]) -> dict[str, dict[str, str]]:
        """Spec hashes and code fingerprints behind each run's scores, those of its seeds joined."""
        table = read(self.scores_source, ["run", *VERSION], among("run", _names(runs)))
        unique = table.group_by(["run", *VERSION]).aggregate([]).to_pandas().astype(str)
        return {
            run: {name: "+".join(sorted(set(rows[name].str[:12]))) for name in VERSION}
            for run, rows in unique.groupby("run")
        }

    def dynamics(self, runs: Iterable[Run], metrics: Sequence[str]) -> pd.DataFrame:
        """Columns run, seed, step, metric, value. Values up to LARGEST."""
        rows = among("run", _names(runs)) & among("metric", metrics)
        frame = read(self.dynamics_source, ["run", "seed", "step", "metric", "value"], rows).to_pandas()
        frame = frame[frame["value"].abs() <= LARGEST]
        return frame.sort_values(["run", "seed", "metric", "step"], ignore_index=True)

    def metric_names(self, runs: Iterable[Run]) -> tuple[str, ...]:
        """Names of everything these runs logged."""
        table = read(self.dynamics_source, ["metric"], among("run", _names(runs)))
        return tuple(sorted(table["metric"].unique().to_pylist()))

    def probes(
        self,
        probe: str,
        columns: Sequence[str],
        runs: Iterable[Run] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The asked columns of one probe; of all runs that have it and of all its quantities unless some are given."""
        rows = pc.field("probe") == probe
        if runs is not None:
            rows &= among("run", _names(runs))
        if quantities is not None:
            rows &= among("quantity", quantities)
        return read(self.probes_source, columns, rows).to_pandas()

    def probed(self, probe: str) -> tuple[Run, ...]:
        """Runs on which a probe was made, in the order of the configuration."""
        names = set(read(self.probes_source, ["run"], pc.field("probe") == probe)["run"].unique().to_pylist())
        known = tuple(run for run in self.runs if run.name in names)
        return known + self.named(*sorted(names - {run.name for run in known}))

    def paper(self, item: str, run: str, column: str, metric: str) -> float | None:
        """The number printed in the paper for one cell, None where it prints none."""
        cells = self.reported
        same = (cells["item"] == item) & (cells["run"] == run)
        same &= (cells["column"] == column) & (cells["metric"] == metric)
        return float(cells[same]["value"].iloc[0]) if same.any() else None

    def paper_mean(self, item: str, run: str, benchmarks: Sequence[str], metric: str) -> float | None:
        """The mean over the columns of a table of the paper, None where it is over other benchmarks than these."""
        comparable = set(benchmarks) == set(self.printed(item))
        return self.paper(item, run, OVERALL, metric) if comparable else None

    def printed(self, item: str) -> tuple[str, ...]:
        """The benchmarks that are columns of a table of the paper, in its order."""
        columns = self.reported[self.reported["item"] == item]["column"].unique()
        return tuple(column for column in columns if column != OVERALL)


def load(collected: str | Path, reported: str | Path | None = None) -> Tables:
    """Open the collected tables, `results/<study>/collected`; DataError names the file, column or run that does not
    fit.

    Without `reported` no number of the paper is known, and none is beside a study of somebody's own, which has
    another scale than `tiny` and `paper`.
    """
    collected = Path(collected)
    if not (collected / "runs.json").is_file():
        raise DataError(
            f"{collected}: no collected tables here; they lie in the folder `collected` of a study's results"
        )
    found = complete.opened(collected)
    tables = Tables(
        runs=runs_from(found.runs, str(collected / "runs.json")),
        benchmarks=benchmarks_from(found.benchmarks, str(collected / "benchmarks.json")),
        scores_source=found.scores,
        dynamics_source=found.dynamics,
        probes_source=open_table(collected / "probes.parquet", PROBES),
        reported=pd.DataFrame(columns=REPORTED) if reported is None else read_reported(Path(reported)),
    )
    if not {run.scale for run in tables.runs} <= set(REPRODUCTIONS):
        tables = replace(tables, reported=tables.reported[:0])
    for name in ("scores", "dynamics", "probes"):
        _check_versions(getattr(tables, f"{name}_source"), collected / f"{name}.parquet", tables.runs)
    return tables


def from_frames(
    runs: Sequence[Mapping[str, Any]],
    benchmarks: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    dynamics: pd.DataFrame,
    probes: pd.DataFrame,
    reported: pd.DataFrame,
) -> Tables:
    """The same from frames in memory, for tests and notebooks."""

    def source(frame: pd.DataFrame, schema: pa.Schema) -> ds.Dataset:
        return ds.dataset(pa.Table.from_pandas(frame.reindex(columns=schema.names), schema, preserve_index=False))

    return Tables(
        runs=runs_from(runs, "runs"),
        benchmarks=benchmarks_from(benchmarks, "benchmarks"),
        scores_source=source(scores, SCORES),
        dynamics_source=source(dynamics, DYNAMICS),
        probes_source=source(probes, PROBES),
        reported=reported,
    )


def runs_from(entries: Sequence[Mapping[str, Any]], where: str) -> tuple[Run, ...]:
    """Entries of one (run, seed) each, joined into runs; `status` is `done` or `missing`."""
    checked(entries, RUN_KEYS, where)
    complete.check_entries(entries, ["run", "seed"], where)
    seeds: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        seeds.setdefault(entry["run"], []).append(entry)
    return tuple(_joined(name, seeds[name]) for name in seeds)


def benchmarks_from(entries: Sequence[Mapping[str, Any]], where: str) -> tuple[Benchmark, ...]:
    """The benchmarks in the order of the configuration."""
    checked(entries, BENCHMARK_KEYS, where)
    complete.check_entries(entries, ["benchmark"], where)
    keys = ("benchmark", "label", "group", "metric", "source")
    found = [Benchmark(*(entry[key] for key in keys)) for entry in entries]
    return tuple(replace(one, label=visible(one.label)) for one in found)


def read_reported(path: Path) -> pd.DataFrame:
    """The paper's numbers; empty notes are empty strings."""
    with open_regular(path) as stream:
        try:
            frame = pd.read_csv(stream, keep_default_na=False, encoding="utf-8")
        except ValueError as error:
            raise DataError(f"{path}: not a table ({error})") from None
    if missing := [name for name in REPORTED if name not in frame]:
        raise DataError(f"{path}: missing column {missing[0]!r}; expected {', '.join(REPORTED)}")
    values = pd.to_numeric(frame["value"], errors="coerce").astype(float)
    for row, is_number in enumerate(np.isfinite(values), start=1):
        if not is_number:
            raise DataError(f"{path}: row {row}: value {str(frame['value'][row - 1])[:40]!r} is no number; take it out")
    return frame.assign(value=values)


def _joined(name: str, entries: Sequence[Mapping[str, Any]]) -> Run:
    first = entries[0]
    steps = [entry["steps"] for entry in entries if entry.get("steps") is not None]
    return Run(
        name=name,
        label=visible(first.get("label") or name),
        method=first["method"],
        row_group=first.get("row_group") or "",
        items=tuple(first.get("items") or ()),
        scale=first.get("scale") or "",
        family=first.get("family") or "",
        steps=max(steps) if steps else None,
        seeds=tuple(sorted(e["seed"] for e in entries if e["status"] == "done")),
        missing_seeds=tuple(sorted(e["seed"] for e in entries if e["status"] != "done")),
        spec=first.get("spec") or {},
        versions={
            entry["seed"]: (str(origin.get("spec_hash", "")), str(origin.get("code", "")))
            for entry in entries
            if (origin := entry.get("provenance"))
        },
        commits={
            entry["seed"]: str(origin["commit"])[:12] + "+" * bool(origin.get("dirty"))
            for entry in entries
            if (origin := entry.get("provenance") or {}).get("commit")
        },
        because=first.get("because") or "",
        rate_of=first.get("rate_of") or "",
        parameters=first.get("parameters"),
        study=_study(first.get("study") or {}),
    )


def _study(entry: Mapping[str, Any]) -> Study | None:
    name, knob, setting = (visible(str(entry.get(key, ""))) for key in ("name", "knob", "setting"))
    return Study(name, knob, setting) if name else None


def _of_runs(source: ds.Dataset, names: Mapping[str, str]) -> ds.Dataset:
    """The rows of some runs, under other names."""
    table = read(source, source.schema.names, among("run", list(names)))
    renamed = pa.array([names[name] for name in table["run"].to_pylist()], pa.string())
    return ds.dataset(table.set_column(table.schema.get_field_index("run"), "run", renamed))


def _names(runs: Iterable[Run]) -> list[str]:
    return [run.name for run in runs]


def _check_versions(source: ds.Dataset, path: Path, runs: Iterable[Run]) -> None:
    """Rows of a seed must come from one spec and one code version, the ones that runs.json names."""
    table = read(source, ["run", "seed", *VERSION])
    pairs = table.group_by(["run", "seed", *VERSION]).aggregate([]).to_pandas()
    repeated = pairs[pairs.duplicated(["run", "seed"], keep=False)]
    if not repeated.empty:
        run, seed = repeated.iloc[0][["run", "seed"]]
        raise DataError(f"{path}: run {run!r} seed {seed} mixes rows of two versions; {AGAIN}")
    named = {(run.name, seed): version for run in runs for seed, version in run.versions.items()}
    for run, seed, *version in pairs.itertuples(index=False):
        if named.get((run, seed), tuple(version)) != tuple(version):
            raise DataError(f"{path}: run {run!r} seed {seed} is not the version in runs.json; {AGAIN}")
