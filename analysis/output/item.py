"""What an item returns: a table or a figure, its caption, and the numbers behind it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

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
    numbers: pd.DataFrame
    spans: tuple[tuple[str, int], ...] = ()
    layout: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """What a reader sees, for pages and for JSON: stub, columns, spans and rows."""
        rows = [asdict(row) for row in self.rows]
        return {"stub": self.stub, "columns": self.columns, "spans": self.spans, "rows": rows}


@dataclass(frozen=True)
class Figure:
    """A picture and the numbers it shows. `page`, where there is one, makes a self-contained HTML document of its own;
    it gets the other files by suffix."""

    title: str
    caption: str
    picture: Picture
    numbers: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    page: Callable[[Mapping[str, bytes | str]], str] | None = None
