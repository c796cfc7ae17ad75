"""What every row of prompts and of demonstrations has: an id of its own, and a text."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from red.errors import DataError


def check_id(row: Mapping[str, Any], earlier_ids: Container[str], where: str) -> None:
    """DataError if the id is no text, or one that there was before."""
    if not isinstance(row["id"], str) or not row["id"]:
        raise DataError(f"{where}: id {row['id']!r} is not a text")
    if row["id"] in earlier_ids:
        raise DataError(f"{where}: id {row['id']!r} occurs twice")


def check_question(row: Mapping[str, Any], where: str) -> None:
    """DataError if the question, its options or its system prompt are none."""
    if not isinstance(row["question"], str) or not row["question"].strip():
        raise DataError(f"{where}: question is empty or not a text")
    if not isinstance(row.get("options"), (list, type(None))):
        raise DataError(f"{where}: options is not a list")
    if not isinstance(row.get("system"), (str, type(None))):
        raise DataError(f"{where}: system is not a text")


def check_joined(demonstrations: Iterable[str], prompts: Container[str]) -> None:
    """DataError if a demonstration's id is no prompt's."""
    for id in demonstrations:
        if id not in prompts:
            raise DataError(f"demonstration {id!r} is of no prompt; give the prompts that it was made for")
