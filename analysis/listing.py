"""Which items there are, read from their folder; nothing is imported, so a workflow needs no plotting libraries."""

import ast
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from red.errors import ConfigError
from red.plumbing.records import suggestion

if TYPE_CHECKING:
    from analysis.output.item import Figure, Table
    from red.tables.reader import Tables

FOLDER = Path(__file__).parent / "items"
FRONT = ("at_a_glance", "overview", "claims", "premises")  # what a report begins with


@dataclass(frozen=True)
class Listed:
    """An item as its module describes it.

    `kind`: `table` or `figure`, from the annotation of `build`. `heading`: the first line of the docstring without
    its stop. `text`: the other paragraphs, its caption in the report.
    """

    kind: str
    heading: str
    text: str

    @property
    def is_of_the_paper(self) -> bool:
        """Whether the heading has a number of the paper, `Table 2: ...`; others are diagnostics."""
        return re.match(r"(Table|Figure) \d+:", self.heading) is not None


def listing() -> dict[str, Listed]:
    """Every item by name."""
    items = {}
    for path in sorted(FOLDER.glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name == "build":
                first, _, rest = (ast.get_docstring(module) or path.stem).partition("\n")
                kind = ast.unparse(node.returns or ast.Name("")).lower()
                items[path.stem] = Listed(kind, first.removesuffix("."), rest.strip())
    return items


def check_items(config: Mapping[str, Any]) -> None:
    """ConfigError if an item that the configuration asks for, or that a run says it is in, is none."""
    known = listing()
    asked = {"items": config["items"], "base.items": (config.get("base") or {}).get("items", ())}
    for section in ("runs", "derived"):
        lines = config.get(section, {})
        asked |= {f"{section}.{name}.items": line.get("items", ()) for name, line in lines.items()}
    for where, names in asked.items():
        for name in names:
            if name not in known:
                raise ConfigError(f"{where}: no item {name!r}{suggestion(name, known)}")


def builder(name: str) -> "Callable[[Tables], Table | Figure]":
    """`build` of one item; ConfigError lists the items if there is none of that name."""
    if name not in (known := listing()):
        raise ConfigError(f"no item {name!r}{suggestion(name, known)}")
    build: Callable[[Tables], Table | Figure] = importlib.import_module(f"analysis.items.{name}").build
    return build
