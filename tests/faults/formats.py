"""Files in the formats that the project writes, read back; AssertionError where foreign text became more than text."""

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from red.escape import FORMULA, LATEX


class Elements(HTMLParser):
    """What a browser makes of a page. AssertionError where an element could run something or leave the page.

    `texts`: of every cell, paragraph and title; `text`: all of it; `count`: of the elements.
    """

    # Inside of the page, or a file of an item beside it.
    OURS = re.compile(r"(data:|#).*|(tables|figures)/[a-z_]+\.[a-z]+", re.DOTALL)
    ACTIVE = ("script", "svg", "iframe", "object", "embed", "form", "base", "link", "video", "audio")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.count, self.text, self.inside = 0, "", ""
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1
        assert tag not in self.ACTIVE, tag
        for name, value in attrs:
            assert not name.startswith("on") and name != "srcdoc", (tag, name)
            assert name not in ("href", "src") or self.OURS.fullmatch(str(value)), (tag, value)
        if tag in ("td", "th", "p", "title"):
            self.inside = tag
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside:
            self.texts[-1] += data


def rendered(source: str) -> list[tuple[str, str]]:
    """The inline parts of a Markdown document by block, as GitHub reads it; what is neither text nor ours fails."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    ours = {"text", "strong_open", "strong_close", "em_open", "em_close", "html_inline"}
    blocks = {"paragraph_open", "table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open", "inline"}
    blocks |= {"heading_open", "bullet_list_open", "list_item_open"}
    texts = []
    tokens = parser.parse(source)
    for before, token in zip([None, *tokens], tokens, strict=False):
        assert token.type in blocks or token.type.endswith("_close"), (token.type, token.content)
        for part in token.children or []:
            assert part.type in ours, (part.type, part.content)
            assert part.type != "html_inline" or re.fullmatch("</?(sub|u)>|<br>", part.content), part.content
        if token.type == "inline" and before:
            text = "".join(part.content for part in token.children or [] if part.type == "text")
            texts.append((before.type, text))
    return texts


def read_latex(source: str) -> str:
    """The text that LaTeX prints. Fails where a character would be a command, a formula or a ligature."""
    back = {after: chr(code) for code, after in LATEX.items()} | {"{}": ""}
    known = "|".join(re.escape(text) for text in sorted(back, key=len, reverse=True))
    tokens = re.findall(rf"({known})|([^\\&%$#_{{}}~^<>])|(.)", source, re.DOTALL)
    assert not [other for _, _, other in tokens if other], source
    assert not re.search(r"--|''|``|,,", re.sub(known, "\0", source)), source
    return "".join(back[ours] if ours else plain for ours, plain, _ in tokens)


def check_cell(text: str) -> None:
    """A spreadsheet must not compute it; a number is none of its formulas."""
    number = r"[-+]?(\d[\d_.]*(e[-+]?\d+)?|inf(inity)?|nan)"
    assert not text.startswith(FORMULA) or re.fullmatch(number, text, re.IGNORECASE), text


def _check_csv(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, strict=True))
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        for cell in row:
            check_cell(cell)


def _check_tex(path: Path) -> None:
    """As many cells in each row as there are columns, and every brace closed."""
    text = path.read_text(encoding="utf-8")
    bare = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    widths = {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows}
    assert len(widths) == 1, widths


CHECKS: dict[str, Callable[[Path], object]] = {
    ".html": lambda path: Elements(path.read_text(encoding="utf-8")),
    ".md": lambda path: rendered(path.read_text(encoding="utf-8")),
    ".svg": lambda path: ElementTree.parse(path),
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": _check_csv,
    ".tex": _check_tex,
}
