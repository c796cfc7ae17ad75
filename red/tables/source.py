"""Reads one collected table, column by column; DataError names the file, the column and the way out."""

import functools
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from red.errors import DataError
from red.plumbing.checksums import input_hash
from red.tables.schema import SCORES

AGAIN = "run `python -m red collect` again"
# Of the scores: what every row has.
FILLED = ("run", "seed", "benchmark", "group", "metric", "problem", "sample", "correct", "correct_lenient", "tokens")


def open_table(path: Path, schema: pa.Schema) -> ds.Dataset:
    """The table, its columns checked; what is inside is read later.

    Types are imposed, since a column of nothing but nulls has none and small integers may be encoded.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; {AGAIN}")
    input_hash(path)
    try:
        columns = ds.dataset(path, format="parquet").schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a parquet file ({error}); {AGAIN}") from None
    for field in schema:
        if field.name not in columns.names:
            raise DataError(f"{path}: missing column {field.name!r}, made by another version; {AGAIN}")
        if not _fits(columns.field(field.name).type, field.type):
            actual = columns.field(field.name).type
            raise DataError(f"{path}: column {field.name!r} is {actual}, made by another version; {AGAIN}")
    return ds.dataset(path, schema=schema, format="parquet")


def open_scores(path: Path) -> ds.Dataset:
    """The table of scores. DataError if a run and seed has not exactly the answers to a benchmark that the others
    have, once each and with a verdict: its accuracy would not be comparable, and captions would not say what was
    counted.
    """
    source = open_table(path, SCORES)
    check_filled(source, path, FILLED)
    run, answer = ["run", "seed", "benchmark"], ["benchmark", "problem", "sample"]
    rows = read(source, ["run", "seed", *answer])
    ordered = counts(rows.group_by(answer).aggregate([]), ["benchmark"])
    own = counts(rows.group_by(["run", "seed", *answer]).aggregate([]), run)
    for key, count in counts(rows, run).items():
        name, seed, benchmark = key
        if not count == own[key] == ordered[benchmark,]:
            found = f"{count} answers to {benchmark}, {own[key]} of {ordered[benchmark,]} different ones"
            raise DataError(f"{path}: run {name!r} seed {seed} has {found}; {AGAIN}")
    return source


def check_filled(source: ds.Dataset, path: Path, columns: Sequence[str]) -> None:
    """DataError if a column has empty cells, which means and counts would pass over."""
    empty = read(source, columns, functools.reduce(operator.or_, (pc.field(name).is_null() for name in columns)))
    for name in columns:
        if count := empty[name].null_count:
            raise DataError(f"{path}: column {name!r} has {count} empty cells; {AGAIN}")


def counts(table: pa.Table, keys: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Rows by the values of `keys`."""
    rows = table.group_by(list(keys)).aggregate([([], "count_all")]).to_pylist()
    return {tuple(row[key] for key in keys): row["count_all"] for row in rows}


def read(source: ds.Dataset, columns: Sequence[str], rows: pc.Expression | None = None) -> pa.Table:
    """Some columns of some rows; a file that is damaged inside shows only now."""
    try:
        return source.to_table(columns=list(columns), filter=rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        files = ", ".join(getattr(source, "files", ["a table"]))
        raise DataError(f"{files}: damaged ({error}); {AGAIN}") from None


def among(column: str, names: Sequence[str]) -> pc.Expression:
    """Rows whose text is one of `names`, which have a type of their own: an empty list would have none."""
    return pc.field(column).isin(pa.array(names, pa.string()))


def problem_means(source: ds.Dataset, keys: Sequence[str], rows: pc.Expression | None = None) -> pa.Table:
    """Means over the samples of each problem of a table of scores, one row per combination of `keys`.

    Columns beside the keys: accuracy, lenient, truncated (shares), length (tokens), first (accuracy of sample 0,
    which is pass@1 of one draw), samples (count). A null in `truncated` counts as not truncated.
    """
    table = read(source, [*keys, "sample", "correct", "correct_lenient", "tokens", "truncated"], rows)
    values = {
        "accuracy": pc.cast(table["correct"], pa.float64()),
        "lenient": pc.cast(table["correct_lenient"], pa.float64()),
        "length": pc.cast(table["tokens"], pa.float64()),
        "truncated": pc.fill_null(pc.cast(table["truncated"], pa.float64()), 0.0),
    }
    values["first"] = pc.if_else(pc.equal(table["sample"], 0), values["accuracy"], None)
    groups = pa.table({key: table[key] for key in keys} | values).group_by(list(keys))
    means = groups.aggregate([(name, "mean") for name in values] + [("accuracy", "count")])
    return means.rename_columns([*keys, *values, "samples"])


def _fits(actual: pa.DataType, declared: pa.DataType) -> bool:
    """Whether one can compute with a column as declared; a column without values has no type."""
    types = pa.types
    if types.is_boolean(declared):
        return bool(types.is_boolean(actual))
    if types.is_string(declared):
        return any(fits(actual) for fits in (types.is_string, types.is_large_string, types.is_null))
    return any(fits(actual) for fits in (types.is_integer, types.is_floating, types.is_null))
