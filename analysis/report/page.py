"""The report: one HTML file that needs nothing beside it, for a screen, a phone, paper and a keyboard."""

import base64
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from analysis.listing import FRONT
from analysis.output.item_page import data_uri
from analysis.output.template import render, script_json
from analysis.report.made import Made
from analysis.report.outcome import claims_of, scoreboard, what_came_out, what_was_run
from red.tables.reader import REPRODUCTIONS

HERE = Path(__file__).parent
LARGEST = 6_000_000  # bytes: what a mail takes


def page(items: Sequence[Made], curves: dict[str, Any]) -> str:
    """The report of these items in their order, the outcome first; `curves` as `curves.packed` makes them."""
    by_name = {item.name: item for item in items}
    claims = by_name.get("claims")
    scale = next((str(item.facts["scale"]) for item in items if "scale" in item.facts), "")
    parts = {
        "Outcome": [by_name[name] for name in FRONT if name in by_name],
        "The paper's tables and figures": [item for item in items if item.about.is_of_the_paper],
        "Beyond the paper": [item for item in items if not item.about.is_of_the_paper and item.name not in FRONT],
    }
    return render(
        "report.html",
        scale=scale,
        reproduces=scale in REPRODUCTIONS,
        ran=what_was_run(items),
        came=what_came_out(items),
        counts=scoreboard(claims) if claims else (),
        claims=claims_of(claims) if claims else (),
        parts={name: members for name, members in parts.items() if members},
        pictures={item.name: data_uri(item.files["svg"], "svg") for item in items if "svg" in item.files},
        sizes={item.name: size(item.files["svg"]) for item in items if "svg" in item.files},
        files=[
            (f"{item.name}.{suffix}", packed(content))
            for item in items
            for suffix, content in item.files.items()
            if suffix != "svg"
        ]
        + [(f"{item.name}.html", packed(item.page.encode())) for item in items if item.page],
        style=asset("uplot.css", "curves.css", "report.css"),
        script=asset("uplot.js", "curves.js", "report.js"),
        curves=script_json(curves) if curves["lines"] else None,
    )


def size(svg: bytes) -> tuple[int, int]:
    """Width and height in the unit of its view: a browser keeps the place before it has read the picture."""
    found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found, "matplotlib writes it"
    return round(float(found[1])), round(float(found[2]))


def packed(content: bytes) -> Markup:
    """Compressed, as text; the page unpacks it when somebody saves it."""
    return Markup(base64.b64encode(gzip.compress(content, mtime=0)).decode())


def asset(*names: str) -> Markup:
    """Our scripts or style sheets, one after the other."""
    return Markup("\n".join((HERE / name).read_text(encoding="utf-8") for name in names))
