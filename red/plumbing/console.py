"""The terminal for people. What is printed goes through `red.escape.terminal` first."""

from typing import Any

from rich.console import Console


def console(**options: Any) -> Console:
    """Rich without markup, names of emoji and coloured numbers: a label may hold any of them."""
    return Console(markup=False, emoji=False, highlight=False, **options)
