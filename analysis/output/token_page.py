"""The HTML page of Figure 7: one self-contained file, no network, all text set as text."""

import json
import re
from collections.abc import Mapping
from typing import Any

from analysis.output.item_page import data_uri, links
from analysis.output.template import render, script_json


def page(heading: str, note: str, data: dict[str, Any], files: Mapping[str, bytes | str]) -> str:
    """The page with its data inside, and the item's other files to save.

    `data`: {"stages": [str], "models": [{"run", "label", "references": [str]}], "references": {name:
    label}, "problems": {example: {"prompt": str, "gold": str}}, "responses": {run: {example: {"tokens": [str], "stage":
    [int], "thinking": [0 or 1], "correct": bool or None, "trained": [float], <reference>: [float]}}}}.
    """
    picture = data_uri(files["svg"], "svg") if "svg" in files else None
    told = script_json(data)
    saved = links("token_probabilities", files, len(told) + len(picture or ""))
    return render("token_page.html", heading=heading, note=note, data=told, picture=picture, files=saved)


def without_files(page_with_files: str, heading: str, note: str) -> str:
    """The same page for a place that has the files already."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page_with_files, re.DOTALL)
    assert data is not None, "a page of this module"
    return page(heading, note, json.loads(data[1]), {})
