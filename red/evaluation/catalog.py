"""What each benchmark is: where its problems come from, how they are asked, judged and scored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from red.errors import ConfigError
from red.plumbing.documents import NAME, deep_merge, read_yaml
from red.plumbing.records import from_mapping, suggestion
from red.ranges import Count, Samples

CATALOG = Path(__file__).parent / "catalog.yaml"
EMBEDDED = "embedded"
HELD_OUT = "held_out"  # `rows` questions of the training distribution that are no training prompts


@dataclass(frozen=True)
class Hub:
    """A data set on the Hugging Face hub.

    `columns` maps question, answer and options to its columns (options may be a list of columns).
    `flags` maps a key of `extra` to (column, text): true where the column contains the text.
    """

    id: str
    split: str
    columns: Mapping[str, Any]
    config: str | None = None
    revision: str | None = None
    flags: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark. `rows` is the expected number of problems, `samples` the responses to each.

    layout     how options follow the question: `lines` ("A) text", as LUFFY's ARC-C), `instruction`
               (the same under a fixed instruction, as LUFFY's GPQA), none: the template decides
    protected  problems must never be written in plain text
    limit      only so many of the problems, by a seeded choice; a smaller one is part of a larger one
    data_dir   folder with `file`; without it the problems come from `hub`
    part_of    name of the benchmark whose problems with `where` (on `extra`) this one consists of
    """

    name: str
    group: Literal["math", "out_of_domain", "validation"]
    grader: Literal["math", "choice"]
    metric: Literal["pass_at_1", "avg_at_k"]
    samples: Samples
    source: str = ""
    label: str = ""
    rows: Count | None = None
    limit: Count | None = None
    layout: Literal["lines", "instruction"] | None = None
    protected: bool = False
    data_dir: str | None = None
    file: str | None = None
    sha256: str | None = None
    hub: Hub | None = None
    part_of: str | None = None
    where: Mapping[str, bool] = field(default_factory=dict)

    @property
    def problems(self) -> int | None:
        """How many problems are ordered; None where that is not known: held-out questions may turn out unusable."""
        return None if self.rows is None or self.source == HELD_OUT else min(self.rows, self.limit or self.rows)

    @property
    def title(self) -> str:
        """How tables call it: its label or name, and that it is shortened."""
        whole = "problems" if self.rows is None else f"of {self.rows}"
        return (self.label or self.name) + ("" if self.limit is None else f" ({self.limit} {whole})")


def benchmark(name: str, entry: Mapping[str, Any] | None = None) -> Benchmark:
    """The catalog's entry (the one that `source` names, else `name`) with the fields of `entry` over it.

    A source outside the catalog stands alone; then `entry` holds everything. ConfigError otherwise.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"benchmarks: {name!r} is no name: small letters, digits and _ only")
    if not isinstance(entry, (Mapping, type(None))):
        raise ConfigError(f"benchmarks.{name}: expected a mapping, found {entry!r}")
    entry = {"source": name, **(entry or {}), "name": name}
    source = entry["source"]
    if not isinstance(source, str):
        raise ConfigError(f"benchmarks.{name}.source: expected str, found {source!r}")
    defaults = _catalog().get(source, {})
    if not defaults and not {"hub", "data_dir"} & set(entry) and source not in (EMBEDDED, HELD_OUT):
        raise ConfigError(f"benchmarks.{name}.source: {source!r} is not in the catalog{suggestion(source, names())}")
    if "part_of" in defaults:
        defaults = deep_merge(_catalog()[defaults["part_of"]], defaults)
    return from_mapping(Benchmark, deep_merge(defaults, entry), f"benchmarks.{name}")


def parts(name: str) -> list[Benchmark]:
    """Catalog entries that are subsets of the benchmark `name`: scored with it, never generated twice."""
    return [benchmark(part) for part, entry in _catalog().items() if entry.get("part_of") == name]


def names() -> list[str]:
    """All names in the catalog, subsets included."""
    return list(_catalog())


@cache
def _catalog() -> dict[str, Any]:
    return read_yaml(CATALOG)
