"""The HTML page of an item: what it shows, caption, its data to download, and what made the numbers.

One file without scripts or network. All rules of its style begin with `.item`, so that the front page of
the report can hold the overview as it is.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.output.item import Cell, Figure, Table
from analysis.output.template import fill
from red import escape

TEMPLATE = Path(__file__).with_suffix(".html")
MIME = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "tex": "application/x-tex",
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
}
BROAD = 8  # columns: a table with more is set smaller
PROSE = 40  # characters: a table with longer cells reads better aligned to the left


def page(result: Table | Figure, name: str, facts: Mapping[str, Any], files: Mapping[str, bytes | str]) -> str:
    """The page; `files` are the item's other files by suffix, `facts` is what its JSON file says."""
    links = (
        f'<a download="{name}.{suffix}" href="{data_uri(content, suffix)}">{suffix.upper()}</a>'
        for suffix, content in files.items()
        if suffix in MIME
    )
    title = escape.html(facts["title"])
    if isinstance(result, Table):
        heading, body = f"<h2>{title}</h2>", table(result)
    else:
        # A picture has its title inside: the heading is for screen readers.
        heading, body = f'<h2 class="spoken">{title}</h2>', picture(files["svg"], facts["title"])
    return fill(
        TEMPLATE,
        NAME=name,
        TITLE=title,
        HEADING=heading,
        BODY=body,
        DATA=" ".join(links),
        CAPTION=escape.html(facts["caption"]),
        PROVENANCE=provenance(facts.get("runs", [])),
    )


def data_uri(content: bytes | str, suffix: str) -> str:
    """The content inside a link."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{MIME[suffix]};base64,{base64.b64encode(raw).decode()}"


def picture(svg: bytes | str, title: str) -> str:
    """The figure as an image: its identifiers stay its own."""
    return f'<img alt="{escape.html(title)}" src="{data_uri(svg, "svg")}">'


def table(result: Table) -> str:
    """The table with its headings, intervals, marks and the paper's numbers."""
    columns = "".join(f"<th>{escape.html(column)}</th>" for column in result.columns)
    head = f"<tr><th>{escape.html(result.stub)}</th>{columns}</tr>"
    if result.spans:
        head = "<tr><th></th>" + "".join(map(_span, result.spans)) + "</tr>" + head
    lines, group = [], ""
    for row in result.rows:
        if row.group and row.group != group:
            width = len(result.columns) + 1
            lines.append(f'<tr class="group"><th colspan="{width}">{escape.html(row.group)}</th></tr>')
        group = row.group
        cells = "".join(f"<td{_prose(cell.text)}>{_cell(cell)}</td>" for cell in row.cells)
        lines.append(f"<tr><td{_prose(row.label)}>{escape.html(row.label)}</td>{cells}</tr>")
    long = any(_prose(cell.text) for row in result.rows for cell in row.cells)
    kind = ("prose-cells" if long else "numbers") + " broad" * (len(result.columns) > BROAD)
    return _table(head, "".join(lines), kind)


def provenance(runs: list[Mapping[str, Any]]) -> str:
    """Spec hash, code fingerprint and commit of every run and seed behind the item."""
    lines = [
        (run["label"], seed, run["steps"], *(origin.get(key, "") for key in ("spec_hash", "code", "commit")))
        for run in runs
        for seed, origin in run.get("versions", {}).items()
    ]
    if not lines:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ("Run", "Seed", "Steps", "Spec", "Code", "Commit"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape.html(str('' if v is None else v))}</td>" for v in line) + "</tr>"
        for line in lines
    )
    summary = f"<summary>What made these numbers ({len(lines)} runs and seeds)</summary>"
    return f"<details>{summary}{_table(f'<tr>{heads}</tr>', rows, 'numbers')}</details>"


def _table(head: str, body: str, kind: str) -> str:
    table = f'<table class="{kind}"><thead>{head}</thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def _span(span: tuple[str, int]) -> str:
    title, width = span
    return f'<th{" class=span" if title else ""} colspan="{width}">{escape.html(title)}</th>'


def _prose(text: str) -> str:
    """Only long texts may break into lines."""
    return " class=prose" if len(text) > PROSE else ""


def _cell(cell: Cell) -> str:
    sign = {"highest": "†", "next": "‡"}.get(cell.mark, "")
    kind = f' class="{cell.mark}"' if cell.mark in ("best", "second") else ""
    parts = [f"<span{kind}>{escape.html(cell.text)}{sign}</span>"]
    parts += [f"<small>{escape.html(cell.interval)}</small>"] if cell.interval else []
    parts += [f'<small class="paper">paper {escape.html(cell.reported)}</small>'] if cell.reported else []
    return "".join(parts)
