"""What an item returns: a table or a figure, its caption, and the numbers behind it."""

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from red.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Picture

Mark = Literal["", "best", "second", "highest", "next"]


@dataclass(frozen=True)
class Cell:
    """One cell as it is read: measured text, its interval, the paper's number, and a rank mark.

    `best`/`second`: supported by the paired test. `highest`/`next`: ranked so, but not supported.
    """

    text: str = ""
    interval: str = ""
    reported: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Row:
    """One line of a table; consecutive rows of one `group` stand under that heading."""

    label: str
    cells: tuple[Cell, ...]
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table. `numbers` is long and complete.

    `spans` heads runs of columns as (title, width); `layout` replaces LaTeX's column layout.
    """

    title: str
    caption: str
    stub: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: "pd.DataFrame"
    spans: tuple[tuple[str, int], ...] = ()
    layout: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A picture and the numbers it shows; `page` is an optional self-contained HTML document."""

    title: str
    caption: str
    picture: "Picture"
    numbers: "pd.DataFrame"
    facts: Mapping[str, Any] = field(default_factory=dict)
    page: str | None = None


def kinds() -> dict[str, str]:
    """Every item of this folder and what it builds, `table` or `figure`, read from annotations.

    Nothing is imported, so a workflow can list the items without the plotting libraries.
    """
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "build":
                found[file.stem] = ast.unparse(node.returns or ast.Name("")).lower()
    return found


def builder(name: str) -> Callable[[Any], Table | Figure]:
    """`build` of one item; ConfigError lists the items if there is none of that name."""
    if name not in (known := kinds()):
        raise ConfigError(f"item {name!r} is unknown; known: {', '.join(known)}")
    return importlib.import_module(f"analysis.{name}").build
