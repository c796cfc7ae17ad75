"""The HTML page of Figure 7: one self-contained file, no network, all text set as text."""

import json
from pathlib import Path
from typing import Any

from analysis.output.template import fill
from red import escape

TEMPLATE = Path(__file__).with_suffix(".html")


def page(heading: str, note: str, data: dict[str, Any]) -> str:
    """The page with its data inside.

    `data`: {"stages": [str], "models": [{"run", "label", "references": [str]}], "references": {name:
    label}, "responses": {run: {example: {"tokens": [str], "stage": [int], "thinking": [0 or 1], "trained":
    [float], <reference>: [float]}}}}.
    """
    return fill(TEMPLATE, HEADING=escape.html(heading), NOTE=escape.html(note), DATA=script_json(data))


def script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in, nor start a comment or an entity."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
