"""Reads the collected tables, column by column, and tells which runs an item has and which it lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from red.errors import DataError
from red.plumbing.storage import read_json

BASE = "base"  # the prepared base model, evaluated like a run
KEYS = ("run", "method", "seed")
ORIGIN = ("spec_hash", "code")
ANSWERS = ("correct", "correct_lenient", "reason", "tokens", "truncated")
SCORES = (*KEYS, "benchmark", "group", "metric", "problem", "sample", *ANSWERS, *ORIGIN)
DYNAMICS = (*KEYS, "step", "metric", "value", *ORIGIN)
PROBES = (*KEYS, "probe", "step", "example", "position", "token", "quantity", "value", *ORIGIN)
TEXT, INTEGERS, FLAGS = pa.string(), pa.int64(), pa.bool_()
TYPES = dict.fromkeys(SCORES + DYNAMICS + PROBES, TEXT)
TYPES |= dict.fromkeys(("seed", "sample", "tokens", "step", "position"), INTEGERS)
TYPES |= dict.fromkeys(("correct", "correct_lenient", "truncated"), FLAGS) | {"value": pa.float64()}
REPORTED = ("table", "item", "row", "run", "column", "metric", "value", "unit", "notes")
NUMBERS = ("seed", "sample", "tokens", "step", "position", "value")
VERDICTS = ("correct", "correct_lenient", "truncated")  # every other column is text
AGAIN = "run `python -m red collect` again"


@dataclass(frozen=True)
class Run:
    """One line of the configuration with the seeds that are finished and those that are not.

    `versions` gives spec hash and code fingerprint of each finished seed, as far as they were recorded;
    `commits` the git commit, with a + where files had changes.
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
        name, _, step = str(self.spec.get("init_from") or "").partition("@")
        return (name, int(step) if step else None) if name and name != BASE else None


@dataclass(frozen=True)
class Tables:
    """Everything an item may read. Frames are fetched with the columns and runs that are asked for."""

    runs: tuple[Run, ...]
    scores_source: ds.Dataset
    dynamics_source: ds.Dataset
    probes_source: ds.Dataset
    reported: pd.DataFrame

    @property
    def scale(self) -> str:
        """`tiny`, `paper`, or several joined by "+" if the runs differ."""
        return "+".join(sorted({run.scale for run in self.runs if run.scale})) or "unknown"

    def of_item(self, item: str, base: bool = False) -> tuple[Run, ...]:
        """Runs that the configuration assigns to an item, in its order; with `base`, the base model too."""
        return tuple(run for run in self.runs if item in run.items or (base and run.name == BASE))

    def named(self, *names: str) -> tuple[Run, ...]:
        """Runs by name, in the order asked for; a name the configuration lacks has no seeds."""
        known = {run.name: run for run in self.runs}
        return tuple(known.get(name, Run(name, name, name)) for name in names)

    def scores(self, runs: Iterable[Run], group: str | None = None) -> pd.DataFrame:
        """One row per (run, seed, benchmark, problem), means over the samples.

        Columns: accuracy, lenient, truncated (shares), length (tokens), samples (count), first (accuracy
        of sample 0). A null in `truncated` counts as not truncated.
        """
        wanted = pc.field("run").isin(_names(runs))
        if group is not None:
            wanted &= pc.field("group") == group
        columns = ["run", "seed", "benchmark", "problem", "sample", "correct", "correct_lenient"]
        table = _read(self.scores_source, columns=[*columns, "tokens", "truncated"], filter=wanted)
        values = {
            "accuracy": pc.cast(table["correct"], pa.float64()),
            "lenient": pc.cast(table["correct_lenient"], pa.float64()),
            "length": pc.cast(table["tokens"], pa.float64()),
            "truncated": pc.fill_null(pc.cast(table["truncated"], pa.float64()), 0.0),
        }
        first = pc.if_else(pc.equal(table["sample"], 0), values["accuracy"], None)
        keys = ["run", "seed", "benchmark", "problem"]
        wide = pa.table({key: table[key] for key in keys} | values | {"first": first})
        means = wide.group_by(keys).aggregate([(name, "mean") for name in (*values, "first")] + [("accuracy", "count")])
        frame = means.to_pandas().rename(columns=lambda name: name.removesuffix("_mean"))
        return frame.rename(columns={"accuracy_count": "samples"}).sort_values(keys, ignore_index=True)

    def origins(self, runs: Iterable[Run]) -> dict[str, dict[str, str]]:
        """Spec hashes and code fingerprints behind each run's scores, those of its seeds joined."""
        table = _read(self.scores_source, columns=["run", *ORIGIN], filter=pc.field("run").isin(_names(runs)))
        unique = table.group_by(["run", *ORIGIN]).aggregate([]).to_pandas().astype(str)
        return {
            run: {name: "+".join(sorted(set(rows[name].str[:12]))) for name in ORIGIN}
            for run, rows in unique.groupby("run")
        }

    def dynamics(self, runs: Iterable[Run], metrics: Sequence[str]) -> pd.DataFrame:
        """Columns run, seed, step, metric, value. Finite values; of a repeated step the last one."""
        wanted = pc.field("run").isin(_names(runs)) & pc.field("metric").isin(pa.array(metrics, pa.string()))
        columns = ["run", "seed", "step", "metric", "value"]
        table = _read(self.dynamics_source, columns=columns, filter=wanted)
        frame = table.to_pandas().drop_duplicates(["run", "seed", "metric", "step"], keep="last")
        frame = frame[frame["value"].notna() & (frame["value"].abs() != float("inf"))]
        return frame.sort_values(["run", "seed", "metric", "step"], ignore_index=True)

    def metric_names(self, runs: Iterable[Run]) -> tuple[str, ...]:
        """Names of everything these runs logged."""
        wanted = pc.field("run").isin(_names(runs))
        table = _read(self.dynamics_source, columns=["metric"], filter=wanted)
        return tuple(sorted(table["metric"].unique().to_pylist()))

    def probes(self, probe: str, columns: Sequence[str], runs: Iterable[Run] | None = None) -> pd.DataFrame:
        """The asked columns of one probe; all runs that have it unless `runs` is given."""
        wanted = pc.field("probe") == probe
        if runs is not None:
            wanted &= pc.field("run").isin(_names(runs))
        return _read(self.probes_source, columns=list(columns), filter=wanted).to_pandas()

    def probed(self, probe: str) -> tuple[Run, ...]:
        """Runs on which a probe was made, in the order of the configuration."""
        table = _read(self.probes_source, columns=["run"], filter=pc.field("probe") == probe)
        names = set(table["run"].unique().to_pylist())
        known = tuple(run for run in self.runs if run.name in names)
        return known + self.named(*sorted(names - {run.name for run in known}))

    def paper(self, item: str, run: str, column: str, metric: str) -> float | None:
        """The number printed in the paper for one cell, None where it prints none."""
        rows = self.reported
        same = (rows["item"] == item) & (rows["run"] == run)
        found = rows[same & (rows["column"] == column) & (rows["metric"] == metric)]
        return None if found.empty else float(found["value"].iloc[0])


def load(collected: Path, reported: Path) -> Tables:
    """Open one collected folder; DataError names the file, the column or the run that does not fit."""
    tables = Tables(
        runs=runs_from(read_json(collected / "runs.json"), str(collected / "runs.json")),
        scores_source=_open(collected / "scores.parquet", SCORES),
        dynamics_source=_open(collected / "dynamics.parquet", DYNAMICS),
        probes_source=_open(collected / "probes.parquet", PROBES),
        reported=read_reported(reported),
    )
    for name in ("scores", "dynamics", "probes"):
        _check_versions(getattr(tables, f"{name}_source"), collected / f"{name}.parquet", tables.runs)
    return tables


def from_frames(
    runs: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    dynamics: pd.DataFrame,
    probes: pd.DataFrame,
    reported: pd.DataFrame,
) -> Tables:
    """The same from frames in memory, for tests and notebooks."""

    def source(frame: pd.DataFrame, columns: Sequence[str]) -> ds.Dataset:
        kept = frame.reindex(columns=columns)
        return ds.dataset(pa.Table.from_pandas(kept, _schema(columns), preserve_index=False))

    return Tables(
        runs=runs_from(runs, "runs"),
        scores_source=source(scores, SCORES),
        dynamics_source=source(dynamics, DYNAMICS),
        probes_source=source(probes, PROBES),
        reported=reported,
    )


def runs_from(entries: Sequence[Mapping[str, Any]], where: str) -> tuple[Run, ...]:
    """Entries of one (run, seed) each, joined into runs; `status` is `done` or `missing`."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    if not isinstance(entries, (list, tuple)):
        raise DataError(f"{where}: expected a list; {AGAIN}")
    for index, entry in enumerate(entries):
        for key in ("run", "method", "seed", "status"):
            if not isinstance(entry, Mapping) or key not in entry:
                raise DataError(f"{where}: entry {index}: missing key {key!r}; {AGAIN}")
        grouped.setdefault(entry["run"], []).append(entry)
    return tuple(_joined(name, grouped[name]) for name in grouped)


def read_reported(path: Path) -> pd.DataFrame:
    """The paper's numbers; empty notes are empty strings."""
    try:
        frame = pd.read_csv(path, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    if missing := [name for name in REPORTED if name not in frame]:
        raise DataError(f"{path}: missing column {missing[0]!r}; expected {', '.join(REPORTED)}")
    return frame


def _joined(name: str, entries: Sequence[Mapping[str, Any]]) -> Run:
    first = entries[0]
    steps = [entry["steps"] for entry in entries if entry.get("steps") is not None]
    return Run(
        name=name,
        label=first.get("label") or name,
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
            entry["seed"]: (made.get("spec_hash", ""), made.get("code", ""))
            for entry in entries
            if (made := entry.get("provenance"))
        },
        commits={
            entry["seed"]: made["commit"][:12] + "+" * bool(made.get("dirty"))
            for entry in entries
            if (made := entry.get("provenance") or {}).get("commit")
        },
    )


def _names(runs: Iterable[Run]) -> pa.Array:
    """With a type of its own: an empty list would have none, and no filter takes that."""
    return pa.array([run.name for run in runs], pa.string())


def _read(source: ds.Dataset, **options: Any) -> pa.Table:
    """Columns of a table; a file that is damaged inside shows only now."""
    try:
        return source.to_table(**options)
    except (pa.ArrowInvalid, OSError) as error:
        files = ", ".join(getattr(source, "files", ["a table"]))
        raise DataError(f"{files}: damaged ({error}); {AGAIN}") from None


def _fits(column: str, found: pa.DataType) -> bool:
    """Whether a column has a type that items can compute with; a column without values has none."""
    if column in NUMBERS:
        return pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_null(found)
    if column in VERDICTS:
        return pa.types.is_boolean(found)
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_null(found)


def _open(path: Path, columns: Sequence[str]) -> ds.Dataset:
    if not path.exists():
        raise DataError(f"{path}: no such file; {AGAIN}")
    try:
        source = ds.dataset(path, format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a parquet file ({error}); {AGAIN}") from None
    if missing := [name for name in columns if name not in source.schema.names]:
        raise DataError(f"{path}: missing column {missing[0]!r}, made by another version; {AGAIN}")
    for name in columns:
        found = source.schema.field(name).type
        if not _fits(name, found):
            raise DataError(f"{path}: column {name!r} is {found}, made by another version; {AGAIN}")
    return ds.dataset(path, schema=_schema(columns), format="parquet")


def _schema(columns: Sequence[str]) -> pa.Schema:
    """Types are imposed, since a column of nothing but nulls has none and small ones may be encoded."""
    return pa.schema([(name, TYPES[name]) for name in columns])


def _check_versions(source: ds.Dataset, path: Path, runs: Iterable[Run]) -> None:
    """Rows of a seed must come from one spec and one code version, the ones that runs.json names."""
    table = _read(source, columns=["run", "seed", *ORIGIN])
    pairs = table.group_by(["run", "seed", *ORIGIN]).aggregate([]).to_pandas()
    repeated = pairs[pairs.duplicated(["run", "seed"], keep=False)]
    if not repeated.empty:
        run, seed = repeated.iloc[0][["run", "seed"]]
        raise DataError(f"{path}: run {run!r} seed {seed} mixes rows of two versions; {AGAIN}")
    named = {(run.name, seed): version for run in runs for seed, version in run.versions.items()}
    for run, seed, *version in pairs.itertuples(index=False):
        if named.get((run, seed), tuple(version)) != tuple(version):
            raise DataError(f"{path}: run {run!r} seed {seed} is not the version in runs.json; {AGAIN}")
