"""The HTML page of an item: what it shows, caption, its data to download, and what made the numbers.

One file without scripts or network.
"""

import base64
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from analysis.output.item import Figure, Table
from analysis.output.template import render

MIME = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "tex": "application/x-tex",
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
}


def page(result: Table | Figure, name: str, facts: Mapping[str, Any], files: Mapping[str, bytes | str]) -> str:
    """The page; `files` are the item's other files by suffix, `facts` is what its JSON file says."""
    return render(
        "item_page.html",
        name=name,
        facts=facts,
        shown=result.shown() if isinstance(result, Table) else None,
        files=links(files),
    )


def links(files: Mapping[str, bytes | str]) -> dict[str, Markup]:
    """Where each of the item's files can be saved from, by suffix."""
    return {suffix: data_uri(content, suffix) for suffix, content in files.items() if suffix in MIME}


def data_uri(content: bytes | str, suffix: str) -> Markup:
    """The content inside a link."""
    raw = content.encode() if isinstance(content, str) else content
    return Markup(f"data:{MIME[suffix]};base64,{base64.b64encode(raw).decode()}")
