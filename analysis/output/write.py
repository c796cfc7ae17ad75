"""Writes an item: tables as LaTeX and Markdown, figures as SVG, PDF and PNG; CSV, JSON and HTML of both.

No dates inside.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from analysis.output.item import Cell, Figure, Row, Table
from analysis.output.item_page import page
from red import escape
from red.plumbing.storage import readable_json, write_atomic

WITHOUT: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
ROOM = r"0.7\textheight"  # what a caption leaves of a page
LEGEND = (
    "Bold: highest and better than every other ranked row by the paired test (Holm-adjusted p < 0.05). "
    "Underlined: second and better than every lower row. "
    "† highest, ‡ second, but not separable by that test."
)
PAPER = "Paper: the number printed there, at its scale."


def write(result: Table | Figure, name: str, out: Path) -> list[Path]:
    """Write all files of one item below `out/tables` or `out/figures`; returns their paths."""
    files: dict[str, str | bytes]
    if isinstance(result, Table):
        folder, files = out / "tables", {"tex": latex(result, name), "md": markdown(result)}
        caption = _explained(result)
    else:
        folder, files, caption = out / "figures", {**pictures(result)}, result.caption
    facts = {"item": name, "title": result.title, "caption": caption, **result.facts}
    if isinstance(result, Table):
        facts["table"] = result.shown()
    elif result.page:
        facts["has_page"] = True
    files |= {"csv": csv(result.numbers), "json": readable_json(facts)}
    own_page = result.page if isinstance(result, Figure) else None
    files["html"] = own_page(files) if own_page else page(result, name, facts, files)
    for suffix, content in files.items():
        write_atomic(folder / f"{name}.{suffix}", content)
    return [folder / f"{name}.{suffix}" for suffix in files]


def csv(numbers: pd.DataFrame) -> str:
    """Six significant digits: enough for every number here, and stable across machines."""
    safe = numbers.map(_csv_cell).rename(columns=_csv_cell)
    return str(safe.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def pictures(figure: Figure) -> dict[str, bytes]:
    """The picture in each format."""
    return {suffix: drawn(figure.picture, suffix) for suffix in WITHOUT}


def drawn(picture: Picture, suffix: str) -> bytes:
    """The picture in one format, without creation dates or program versions."""
    stream = io.BytesIO()
    picture.savefig(stream, format=suffix, metadata=WITHOUT[suffix])
    return stream.getvalue()


def latex(table: Table, name: str) -> str:
    """A booktabs table; needs the packages booktabs, xcolor and graphicx. Intervals and paper numbers are small.

    It is set on a page of its own, and made smaller where it is wider or higher than that.
    """
    title = escape.latex(table.title)
    caption = rf"\caption[{{{title}}}]{{\scriptsize {title}. {escape.latex(_explained(table))}}}"
    lines = [r"\begin{table}[p]", r"\centering", caption]
    lines += [rf"\label{{tab:{name}}}", r"\sbox0{%"]
    layout = table.layout or "l" + "c" * len(table.columns)
    lines += [rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
    if table.spans:
        lines.append(_tex_line("", [rf"\multicolumn{{{n}}}{{c}}{{{escape.latex(t)}}}" for t, n in table.spans]))
    lines.append(_tex_line(escape.latex(table.stub), [escape.latex(column) for column in table.columns]))
    lines.append(r"\midrule")
    for row, new_group in _with_headings(table.rows):
        if new_group:
            heading = rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{escape.latex(row.group)}}}}}"
            lines.append(rf"\addlinespace{heading} \\")
        lines.append(_tex_line(escape.latex(row.label), [_tex_cell(cell) for cell in row.cells]))
    lines += [r"\bottomrule", r"\end{tabular}}%"]
    lines.append(r"\ifdim\wd0>\linewidth\sbox0{\resizebox{\linewidth}{!}{\usebox0}}\fi")
    lines.append(rf"\ifdim\dimexpr\ht0+\dp0>{ROOM}\sbox0{{\resizebox*{{!}}{{{ROOM}}}{{\usebox0}}}}\fi")
    lines += [r"\usebox0", r"\end{table}"]
    return "\n".join(lines) + "\n"


def markdown(table: Table) -> str:
    """The same for a README or a report; headings of groups are rows in italics."""
    columns = [escape.markdown(column) for column in (table.stub, *_spanned(table))]
    lines = [f"**{escape.markdown(table.title)}**", "", _md_line(columns)]
    lines.append("|" + "---|" + ":-:|" * len(table.columns))
    for row, new_group in _with_headings(table.rows):
        if new_group:
            lines.append(_md_line([f"*{escape.markdown(row.group)}*", *[""] * len(table.columns)]))
        lines.append(_md_line([escape.markdown(row.label), *map(_md_cell, row.cells)]))
    lines += ["", escape.markdown(_explained(table))]
    return "\n".join(lines) + "\n"


def _explained(table: Table) -> str:
    """The caption, and what the signs in the cells mean."""
    cells = [cell for row in table.rows for cell in row.cells]
    marks = [LEGEND] if any(cell.mark for cell in cells) else []
    paper = [PAPER] if any(cell.reported for cell in cells) else []
    return " ".join([table.caption, *marks, *paper])


def _csv_cell(value: Any) -> Any:
    return escape.csv(value) if isinstance(value, str) else value


def _tex_cell(cell: Cell) -> str:
    marks = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}
    text = marks.get(cell.mark, "%s").replace("%s", escape.latex(cell.text))
    text += {"highest": r"$^\dagger$", "next": r"$^\ddagger$"}.get(cell.mark, "")
    below = [rf"\scriptsize {escape.latex(cell.interval)}"] if cell.interval else []
    below += [rf"\scriptsize\color{{gray}}{escape.latex('paper ' + cell.reported)}"] if cell.reported else []
    return r"\begin{tabular}[t]{@{}c@{}}" + r"\\".join([text, *below]) + r"\end{tabular}" if below else text


def _md_cell(cell: Cell) -> str:
    marks = {"best": "**%s**", "second": "<u>%s</u>", "highest": "%s†", "next": "%s‡"}
    text = marks.get(cell.mark, "%s").replace("%s", escape.markdown(cell.text))
    below = [f"<sub>{escape.markdown(cell.interval)}</sub>"] if cell.interval else []
    below += [f"<sub>*paper {escape.markdown(cell.reported)}*</sub>"] if cell.reported else []
    return "<br>".join([text, *below])


def _tex_line(label: str, cells: list[str]) -> str:
    return " & ".join([label, *cells]) + r" \\"


def _md_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _spanned(table: Table) -> list[str]:
    """Column names with the span title in front, for formats without spanning headers."""
    heads = [title for title, width in table.spans for _ in range(width)] or [""] * len(table.columns)
    return [f"{head} {column}".strip() for head, column in zip(heads, table.columns, strict=True)]


def _with_headings(rows: tuple[Row, ...]) -> Iterator[tuple[Row, bool]]:
    """Rows with a flag: does a new, named group begin here?"""
    previous = ""
    for row in rows:
        yield row, bool(row.group) and row.group != previous
        previous = row.group
