"""Formulas between dollar signs become MathML when the site is built: no script, no font, no network in the browser."""

import re
from typing import Any

from latex2mathml.converter import convert

# Code keeps its dollars: a fenced or indented block, or text between backticks.
PIECE = re.compile(r"(^```.*?^```$|^    [^\n]*$|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for each page."""
    return PIECE.sub(_rendered, markdown)


def _rendered(match: re.Match[str]) -> str:
    code, block, inline = match.groups()
    if code is not None:
        return code
    return convert(block.strip(), display="block") if block is not None else convert(inline, display="inline")
