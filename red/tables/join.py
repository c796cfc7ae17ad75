"""The collected tables of several studies as one: each run's name gets its study's, `red@opener_high`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from red.errors import ConfigError, DataError
from red.plumbing.storage import write_json
from red.tables import complete
from red.tables.collect import TABLES, table_files
from red.tables.source import AGAIN, open_table, read


@dataclass(frozen=True)
class Part:
    """The collected folder of one study."""

    folder: Path

    @cached_property
    def _opened(self) -> complete.Collected:
        return complete.opened(self.folder)

    @cached_property
    def runs(self) -> Sequence[Mapping[str, Any]]:
        """Entries of runs.json."""
        return self._opened.runs

    @cached_property
    def benchmarks(self) -> Sequence[Mapping[str, Any]]:
        """Entries of benchmarks.json."""
        return self._opened.benchmarks

    @cached_property
    def name(self) -> str:
        """Of the study, as its configuration has it."""
        names = {str((run.get("study") or {}).get("name", "")) for run in self.runs}
        if len(names) > 1:
            raise DataError(f"{self.folder}: is joined already, from {', '.join(sorted(names))}; name its parts")
        if not (name := "".join(names)):
            raise DataError(f"{self.folder}: has no name; add `study: {{name: ...}}` to its configuration and {AGAIN}")
        return name

    @cached_property
    def scales(self) -> str:
        """Of its runs."""
        return "+".join(sorted({str(run.get("scale")) for run in self.runs}))

    @cached_property
    def problems(self) -> dict[str, tuple[frozenset[str], int]]:
        """Problems of each benchmark that was answered, and the samples of each."""
        table = read(self._opened.scores, ["benchmark", "problem", "sample"])
        rows = table.group_by(["benchmark", "problem"]).aggregate([("sample", "max")]).to_pylist()
        names = {row["benchmark"] for row in rows}
        own = {name: [row for row in rows if row["benchmark"] == name] for name in names}
        return {
            name: (frozenset(row["problem"] for row in part), 1 + max(row["sample_max"] for row in part))
            for name, part in own.items()
        }

    def entries(self) -> Iterator[dict[str, Any]]:
        """Its runs as the joined table lists them; a study is a group of rows."""
        for run in self.runs:
            yield {**run, "run": self.renamed(run["run"]), "row_group": self.name}

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """Rows of one of TABLES."""
        schema = TABLES[table]
        rows = read(open_table(self.folder / f"{table}.parquet", schema), schema.names)
        names = pa.array(map(self.renamed, rows["run"].to_pylist()), pa.string())
        yield from rows.set_column(schema.get_field_index("run"), schema.field("run"), names).to_batches()

    def renamed(self, run: str) -> str:
        """No run and no study has an @ in its name."""
        return f"{run}@{self.name}"


def join(folders: Sequence[Path], out: Path) -> list[str]:
    """Write the tables of all studies below `out` as `red collect` writes those of one; returns their names.

    DataError for a study without a name, for two of one name, and where scale, benchmarks, problems or samples
    differ: accuracies would not be comparable.
    """
    if out.resolve() in (folder.resolve() for folder in folders):
        raise ConfigError(f"--out {out}: is a study to join; write to another folder")
    studies = [Part(folder) for folder in folders]
    _check(studies)
    with table_files(out) as write:
        for table in TABLES:
            for study in studies:
                write(table, study.batches(table))
    write_json(out / "benchmarks.json", studies[0].benchmarks)
    write_json(out / "runs.json", [entry for study in studies for entry in study.entries()])
    return [study.name for study in studies]


def _check(studies: Sequence[Part]) -> None:
    first, *others = studies
    known = {first.name: first.folder}
    for study in others:
        if study.name in known:
            raise DataError(f"{study.folder}: is named {study.name!r} as {known[study.name]} is; rename one")
        known[study.name] = study.folder
        if study.scales != first.scales:
            raise DataError(f"{study.folder}: scale {study.scales}, that of {first.folder} is {first.scales}")
        for one, other in zip(study.benchmarks, first.benchmarks, strict=False):
            if one != other:
                raise DataError(f"{study.folder}: benchmark {one.get('benchmark')} is not as in {first.folder}")
        if len(study.benchmarks) != len(first.benchmarks):
            counts = f"{len(study.benchmarks)} benchmarks, {len(first.benchmarks)}"
            raise DataError(f"{study.folder}: {counts} in {first.folder}; they must be the same")
        for name in study.problems.keys() & first.problems.keys():
            if study.problems[name] != first.problems[name]:
                raise DataError(f"{study.folder}: {name} has other problems or samples than in {first.folder}")
