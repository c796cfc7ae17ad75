"""The HTML page of Figure 7: one self-contained file, no network, all text set as text."""

from typing import Any

from analysis.output.template import render, script_json


def page(heading: str, note: str, data: dict[str, Any]) -> str:
    """The page with its data inside.

    `data`: {"stages": [str], "models": [{"run", "label", "references": [str]}], "references": {name:
    label}, "responses": {run: {example: {"tokens": [str], "stage": [int], "thinking": [0 or 1], "trained":
    [float], <reference>: [float]}}}}.
    """
    return render("token_page.html", heading=heading, note=note, data=script_json(data))
