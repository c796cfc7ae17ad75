"""The items of a study as their files have them: nothing is computed again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.listing import Listed, listing
from analysis.output.token_page import without_files
from red.errors import ConfigError
from red.plumbing.records import suggestion
from red.plumbing.storage import parse_json, read_bytes, read_text

SUFFIXES = {"table": ("json", "csv", "tex"), "figure": ("json", "csv", "svg")}


@dataclass(frozen=True)
class Made:
    """One item: what its module says of it, its JSON file, the files that the report holds, by suffix, and its page
    where that is one of its own, to be read inside of the report."""

    name: str
    about: Listed
    facts: Mapping[str, Any]
    files: Mapping[str, bytes]
    page: str = ""

    @property
    def numbers(self) -> pd.DataFrame:
        """Its CSV file."""
        return pd.read_csv(BytesIO(self.files["csv"]))

    @property
    def missing(self) -> tuple[str, ...]:
        """What its caption names as missing."""
        return tuple(self.facts.get("missing", ()))


def made(results: Path, items: Iterable[str]) -> tuple[Made, ...]:
    """These items below `results`, in their order; ConfigError for a name that is none."""
    known = listing()
    found = []
    for name in items:
        if name not in known:
            raise ConfigError(f"no item {name!r}{suggestion(name, known)}")
        about = known[name]
        folder = results / f"{about.kind}s"
        files = {suffix: read_bytes(folder / f"{name}.{suffix}") for suffix in SUFFIXES[about.kind]}
        facts = parse_json(files["json"], f"{name}.json")
        own = read_text(folder / f"{name}.html") if facts.get("has_page") else ""
        lean = without_files(own, facts["title"], about.text) if own else ""
        found.append(Made(name, about, facts, files, lean))
    return tuple(found)
