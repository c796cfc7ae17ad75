"""Where prompts and their demonstrations come from: one module per source, found by its name.

The workflow fingerprints only the source that a configuration names: a change of one leaves the data of
the others alone.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from red.data.rows import check_id, check_question
from red.errors import ConfigError, DataError
from red.grading.gold import UnusableGold, answer_of
from red.plumbing.records import from_mapping, suggestion
from red.plumbing.storage import numbered_jsonl


@dataclass
class Refused:
    """Rows that are left out: how many for each reason, and where the first of them stands and why."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, message: str) -> None:
        """`message` names file, row and key."""
        self.counts[reason] += 1
        self.first.setdefault(reason, message)


@dataclass(frozen=True)
class Prompts:
    """Rows {id, question, answer, source, perhaps system}, what else was counted, and what was left out.

    `system` is the data set's own system prompt (empty if none).
    """

    rows: list[dict[str, Any]]
    system: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    refused: Refused = field(default_factory=Refused)


@dataclass(frozen=True)
class Demonstration:
    """A response to the prompt `id`. `forced_accuracy` replaces the verdict of the grader if given, `wrong` is another
    response, which ends in a wrong answer."""

    id: str
    response: str
    forced_accuracy: Literal[0, 1] | None = None
    corruption: str | None = None
    wrong: str | None = None


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of prompts, their answers as texts; DataError names the line."""
    rows: dict[str, dict[str, Any]] = {}
    for number, row in numbered_jsonl(path, ("id", "question", "answer")):
        where = f"{path}: line {number}"
        check_id(row, rows, where)
        check_question(row, where)
        try:
            rows[row["id"]] = {**row, "answer": answer_of(row["answer"])}
        except UnusableGold as error:
            raise DataError(f"{where}: answer: {error}; drop the prompt") from None
    return list(rows.values())


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Rows of a file of demonstrations; DataError names the line."""
    rows: dict[str, Demonstration] = {}
    for number, row in numbered_jsonl(path, ("id", "response")):
        where = f"{path}: line {number}"
        check_id(row, rows, where)
        rows[row["id"]] = from_mapping(Demonstration, row, where)
    return list(rows.values())


class PromptsSpec(Protocol):
    """The record that `data.prompts` must fit."""

    def held_out(self, count: int) -> "PromptsSpec":
        """That of `count` questions of the same distribution that are no training prompts; ConfigError without any."""


class Source(Protocol):
    """What a source's module has."""

    PromptsSpec: type[PromptsSpec]

    def prompts(self, spec: Mapping[str, Any]) -> Prompts:
        """All prompts."""

    def demonstrations(self, spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> list[Demonstration]:
        """The clean demonstrations of `prompts`; a prompt without one gets no row."""


def names() -> list[str]:
    """Every source that `data` may name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def source(name: str, path: str) -> Source:
    """The source of that name; ConfigError begins with `path`."""
    if name not in names():
        raise ConfigError(f"{path}: {name!r} is unknown{suggestion(name, names())}")
    return cast(Source, importlib.import_module(f"red.data.sources.{name}"))
