"""Fills the HTML templates that lie beside the modules: `@@NAME@@` stands for a value."""

from pathlib import Path


def fill(template: Path, **values: str) -> str:
    """The template with its values, which have to be safe HTML; KeyError names one that is not given.

    Values are put in whole: an `@@` inside one is text.
    """
    parts = template.read_text(encoding="utf-8").split("@@")
    return "".join(part if index % 2 == 0 else values[part] for index, part in enumerate(parts))
