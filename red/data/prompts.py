"""Training prompts: rows {id, question, answer, source}, from one of `red.data.sources`."""

from collections.abc import Mapping
from typing import Any

from red.data.sources import Prompts, source


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """All rows of the source that `spec["source"]` names."""
    return source(spec.get("source", "embedded"), "prompts.source").prompts(spec)
