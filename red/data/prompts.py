"""Training prompts: rows {id, question, answer, source}, from one of `red.data.sources`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from red.data.sources import Prompts, source
from red.errors import DataError


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """All usable rows of the source that `spec["source"]` names; `rows` counts them, and each reason the others.

    DataError if nothing is left.
    """
    found = source(spec.get("source", "embedded"), "prompts.source").prompts(spec)
    if not found.rows:
        raise DataError(next(iter(found.refused.first.values()), "prompts: no rows") + "; no usable row is left")
    return replace(found, counts={**found.counts, **found.refused.counts, "rows": len(found.rows)})
