"""Training prompts: rows {id, question, answer, source}, from one of `red.data.sources`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from red.data.sources import Prompts, source
from red.errors import DataError
from red.grading.gold import unreadable
from red.grading.grader import Grader


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """The usable rows of the source that `spec["source"]` names; `rows` counts them, and each reason the others.

    A gold that only looks usable would end a training: `unparsed_answer`. DataError if nothing is left.
    """
    found = source(spec.get("source", "embedded"), "prompts.source").prompts(spec)
    refused = found.refused
    with Grader(lenient=False) as grader:
        broken = unreadable((row["answer"] for row in found.rows), grader)
    for row in found.rows:
        if row["answer"] in broken:
            message = f"answer: {row['answer']!r} cannot be compared with any other"
            refused.add("unparsed_answer", f"{found.origin}: {row['id']}: {message}")
    rows = [row for row in found.rows if row["answer"] not in broken]
    if not rows:
        raise DataError(next(iter(refused.first.values()), f"{found.origin}: no rows") + "; no usable row is left")
    return replace(found, rows=rows, counts={**found.counts, **refused.counts, "rows": len(rows)})
