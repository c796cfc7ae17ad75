"""Fills the HTML templates that lie beside the modules; every text in them goes through `red.escape.html`."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from red import escape

FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "report")


def render(template: str, /, **values: Any) -> str:
    """The template of that name with its values. Only `Markup` is put in as it is."""
    return _ENVIRONMENT.get_template(template).render(values)


def script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, nor start a comment or an entity."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _shown(value: Any) -> Markup:
    return value if isinstance(value, Markup) else Markup(escape.html(str(value)))


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDERS),
    autoescape=True,
    finalize=_shown,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
