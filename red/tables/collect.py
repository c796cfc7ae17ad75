"""Grades, metrics and probes of all runs as three tidy tables, streamed: memory does not grow with rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from red.errors import ConfigError, DataError
from red.plumbing.checksums import input_hash
from red.plumbing.documents import NAME
from red.plumbing.records import converted
from red.plumbing.roll_call import RollCall
from red.plumbing.storage import discard, product, read_jsonl, read_object, write_json
from red.ranges import Samples
from red.tables.entries import checked
from red.tables.probed import Attendance, Order
from red.tables.schema import ASKED_KEYS, BENCHMARK_KEYS, DYNAMICS, ORIGIN, PROBES, RUN, SCORES

BATCH = 65536
TABLES = {"scores": SCORES, "dynamics": DYNAMICS, "probes": PROBES}
GRADE_KEYS = ("id", "index", "correct", "correct_lenient", "reason", "tokens", "truncated")
UNTRAINED = ("base", "derived")  # what stands in the place of a method: no training made these models
WITHOUT_GOLD = "data_error"  # the reason of a verdict on a problem whose gold cannot be read: no figure counts it
PROVENANCE = ("spec_hash", "code", "stopped", "seconds", "data")
ENVIRONMENT = ("commit", "dirty", "packages")


@dataclass(frozen=True)
class Run:
    """One (run, seed) that should be there; `lacks` names the files, or the steps, that are not."""

    entry: Mapping[str, Any]
    evaluation: Path
    training: Path | None
    probes: Mapping[str, Path]
    lacks: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of this run carries."""
        names = {name: self.entry[name] for name, _ in RUN}
        return names | {name: self.provenance.get(name, "") for name, _ in ORIGIN}

    @property
    def probed_step(self) -> int:
        """The step of its model: the last one of its training, or that which it was derived after."""
        step = (self.entry.get("spec") or {}).get("step", self.entry.get("steps"))
        return step if isinstance(step, int) else 0

    def line(self) -> dict[str, Any]:
        """Its entry in runs.json."""
        status = {"status": "missing", "lacks": list(self.lacks)} if self.lacks else {"status": "done"}
        origin = {key: self.provenance[key] for key in PROVENANCE if key in self.provenance}
        environment = self.provenance.get("environment")
        if isinstance(environment, Mapping):
            origin |= {key: environment[key] for key in ENVIRONMENT if key in environment}
        steps = self.provenance.get("steps", self.entry.get("steps"))
        return {**self.entry, **status, "steps": steps, "provenance": origin}


def collect(spec: Mapping[str, Any], results: Path, out: Path) -> list[Run]:
    """Write scores, dynamics, probes (parquet), benchmarks.json and runs.json below `out`; returns all runs.

    `spec` is what `red.study.jobs.collect_spec` returns. A run that lacks a file is listed as missing and has
    no rows at all. A damaged file is a DataError that names it and the line; so is one that does not hold exactly the
    rows that were ordered: every sample of every problem of the benchmark's file, every step,
    every quantity of every prompt of a probe.
    """
    checked(spec.get("runs"), ASKED_KEYS, "--spec: runs")
    checked(spec.get("benchmarks"), BENCHMARK_KEYS | {"samples": Samples}, "--spec: benchmarks")
    orders = converted(Mapping[str, Order], spec.get("probes", {}), "--spec: probes")
    _check(spec)
    runs = [find(entry, spec, results) for entry in spec["runs"]]
    whole = [run for run in runs if not run.lacks]
    # A benchmark that could not be had has no problems, and tables say that it has no answers.
    ids = {one["benchmark"]: _ids(results, one) for one in spec["benchmarks"] if whole}
    attendance = {name: Attendance(name, order) for name, order in orders.items()}
    with table_files(out) as write:
        for benchmark in spec["benchmarks"]:
            for run in whole if ids.get(benchmark["benchmark"]) else ():
                write("scores", _scores(run, benchmark, ids[benchmark["benchmark"]]))
        for run in whole:
            if run.training is not None:
                write("dynamics", _dynamics(run, run.training))
            for name, path in run.probes.items():
                write("probes", attendance[name].taken(path, run.probed_step, _probes(run, path)))
    counted = [{**one, "problems": len(ids[one["benchmark"]])} if ids else one for one in spec["benchmarks"]]
    write_json(out / "benchmarks.json", counted)
    write_json(out / "runs.json", [run.line() for run in runs])
    return runs


def _check(spec: Mapping[str, Any]) -> None:
    """ConfigError for a name that is none, which paths are made of, or one that is there twice."""
    keys = {"runs": ("run", "seed"), "benchmarks": ("benchmark",)}
    for part, key in keys.items():
        for entry in spec[part]:
            if not NAME.fullmatch(entry[key[0]]):
                raise ConfigError(f"spec.{part}: {entry[key[0]]!r} is no name: small letters, digits and _ only")
        for found, count in Counter(tuple(entry[name] for name in key) for entry in spec[part]).items():
            if count > 1:
                raise ConfigError(f"spec.{part}: {' seed '.join(map(repr, found))} is there {count} times")


def _ids(results: Path, benchmark: Mapping[str, Any]) -> list[str]:
    """Of the problems of a benchmark's file; none where it says that the benchmark is missing. DataError unless it
    holds as many as are ordered, if that is known."""
    path, ordered = results / "data" / "benchmarks" / f"{benchmark['benchmark']}.jsonl", benchmark.get("problems")
    rows = [row for row in read_jsonl(path) if "missing" not in row]
    for row in rows:
        if not isinstance(row.get("id"), str):
            raise DataError(f"{path}: id {row.get('id')!r} is not a text; make the file again")
    if rows and ordered not in (None, len(rows)):
        raise DataError(f"{path}: {len(rows)} problems, {ordered} are ordered; make the file again")
    return [row["id"] for row in rows]


def find(entry: Mapping[str, Any], spec: Mapping[str, Any], results: Path) -> Run:
    """The files of one (run, seed), and which are missing."""
    where = Path(entry["run"]) / f"seed{entry['seed']}"
    evaluation = results / "evaluations" / where
    training = results / "runs" / where if entry["method"] not in UNTRAINED else None
    probes = {
        name: results / "probes" / where / f"{name}.parquet"
        for name, order in spec.get("probes", {}).items()
        if entry["run"] in order["runs"]
    }
    files = [evaluation / f"{benchmark['benchmark']}.grades.jsonl" for benchmark in spec["benchmarks"]]
    files += [training / "metrics.jsonl", training / "provenance.json"] if training else []
    files += probes.values()
    lacks = [path.relative_to(results).as_posix() for path in files if not path.is_file()]
    of_answers = _origin(evaluation / "provenance.json", entry)
    provenance = _origin(training / "provenance.json", entry) if training else of_answers
    asked, steps = entry.get("steps"), provenance.get("steps")
    if training and not lacks and not provenance.get("stopped") and steps != asked:
        lacks = [f"{training.relative_to(results).as_posix()}: {steps} steps, {asked} are asked for"]
    return Run(entry, evaluation, training, probes, tuple(lacks), provenance)


def _origin(path: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A provenance, empty if there is none; DataError where it is that of another run: folders were mixed up."""
    provenance = read_object(path) if path.is_file() else {}
    spec = provenance.get("spec")
    own = {key: spec.get(key) for key in ("run", "seed")} if isinstance(spec, Mapping) else {}
    for key, value in own.items():
        if value not in (None, entry[key]):
            raise DataError(f"{path}: {key} is {value!r}, not {entry[key]!r}; make the files of this folder again")
    return provenance


def _scores(run: Run, benchmark: Mapping[str, Any], ids: Sequence[str]) -> Iterator[pa.RecordBatch]:
    path = run.evaluation / f"{benchmark['benchmark']}.grades.jsonl"
    constant = run.columns | {name: benchmark[name] for name in ("benchmark", "group", "metric")}
    keys = {"problem": "id", "sample": "index"} | {name: name for name in GRADE_KEYS[2:]}
    rows = _ticked(read_jsonl(path, required=GRADE_KEYS), RollCall(path, ids, benchmark["samples"], "grade again"))
    for part in _parts(row for row in rows if row["reason"] != WITHOUT_GOLD):
        columns = {name: [row[key] for row in part] for name, key in keys.items()}
        yield _batch(SCORES, constant, columns, len(part), path)


def _ticked(rows: Iterable[dict[str, Any]], ordered: RollCall) -> Iterator[dict[str, Any]]:
    for row in rows:
        ordered.tick(row["id"], row["index"])
        yield row
    ordered.finish()


def _dynamics(run: Run, folder: Path) -> Iterator[pa.RecordBatch]:
    path = folder / "metrics.jsonl"
    numbers = (
        (row["train/step"], metric, value)
        for row in _steps(path, run.provenance.get("steps"))
        for metric, value in row.items()
        if isinstance(value, (int, float))
    )
    for part in _parts(numbers):
        steps, metrics, values = (list(column) for column in zip(*part, strict=True))
        columns = {"step": steps, "metric": metrics, "value": values}
        yield _batch(DYNAMICS, run.columns, columns, len(part), path)


def _steps(path: Path, steps: object) -> Iterator[dict[str, Any]]:
    """Rows of the metrics: every step that was trained, once, in order."""
    if not isinstance(steps, int):
        raise DataError(f"{path.with_name('provenance.json')}: steps: {steps!r} is no number; train again")
    count = 0
    for row in read_jsonl(path, required=("train/step",)):
        if row["train/step"] != count:
            raise DataError(f"{path}: step {row['train/step']!r} where {count} is due; train again")
        count += 1
        yield row
    if count != steps:
        raise DataError(f"{path}: {count} steps, provenance.json beside it says {steps}; train again")


def _probes(run: Run, path: Path) -> Iterator[pa.RecordBatch]:
    input_hash(path)
    try:
        with pq.ParquetFile(path) as file:
            for part in file.iter_batches(BATCH):
                columns = {name: part.column(name) for name in PROBES.names if name in part.schema.names}
                yield _batch(PROBES, run.columns, columns, part.num_rows, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a parquet file, or damaged ({error})") from None


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    for row in rows:
        part.append(row)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


def _batch(
    schema: pa.Schema, constant: Mapping[str, Any], columns: Mapping[str, Any], rows: int, path: Path
) -> pa.RecordBatch:
    """Columns in the schema's order; those in neither mapping are null."""
    arrays = []
    for field in schema:
        try:
            if field.name in columns:
                column = columns[field.name]
                is_arrow = isinstance(column, pa.Array)
                arrays.append(column.cast(field.type) if is_arrow else pa.array(column, field.type))
            else:
                value = pa.scalar(constant.get(field.name), field.type)
                arrays.append(pa.repeat(value, rows))
        except (pa.ArrowException, OverflowError) as error:
            raise DataError(f"{path}: {field.name}: {error}") from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def table_files(out: Path) -> Iterator[Callable[[str, Iterable[pa.RecordBatch]], None]]:
    """A function that appends record batches to one of TABLES; they get their names when all are written, none before.

    runs.json, which is written last, goes first: tables of two times are never beside each other as if they were whole.
    """
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(_table_file(out / f"{name}.parquet", schema)) for name, schema in TABLES.items()
        }

        def write(table: str, batches: Iterable[pa.RecordBatch]) -> None:
            for batch in batches:
                writers[table].write_batch(batch)

        yield write
        discard(out / "runs.json")


@contextmanager
def _table_file(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    with product(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        yield writer
