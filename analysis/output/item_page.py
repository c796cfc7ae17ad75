"""The HTML page of an item: what it shows, caption, its data to download, and what made the numbers.

One file without scripts or network.
"""

import base64
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from analysis.output.item import Figure, Table
from analysis.output.template import render

# Characters. Snakemake's report opens a page as a data: URL, base64 once more; Chromium opens none above two million.
LARGEST = 1_450_000
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
    picture = data_uri(files["svg"], "svg") if "svg" in files else None
    return render(
        "item_page.html",
        name=name,
        facts=facts,
        shown=result.shown() if isinstance(result, Table) else None,
        picture=picture,
        files=links(name, files, len(picture or "")),
    )


def links(name: str, files: Mapping[str, bytes | str], taken: int) -> dict[str, Markup]:
    """Where each of the item's files can be saved from, by suffix: from inside the page, the smallest first, as long as
    it stays below LARGEST with the characters that are `taken`; the others from beside it."""
    uris = {suffix: data_uri(content, suffix) for suffix, content in files.items() if suffix in MIME}
    for suffix, uri in sorted(uris.items(), key=lambda one: len(one[1])):
        taken += len(uri)
        if taken > LARGEST:
            uris[suffix] = Markup(f"{name}.{suffix}")
    return uris


def data_uri(content: bytes | str, suffix: str) -> Markup:
    """The content inside a link."""
    raw = content.encode() if isinstance(content, str) else content
    return Markup(f"data:{MIME[suffix]};base64,{base64.b64encode(raw).decode()}")
