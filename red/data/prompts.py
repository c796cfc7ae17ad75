"""Training prompts: rows {id, question, answer, source}. A source is one function `from_<source>`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from red.errors import ConfigError
from red.plumbing.records import from_mapping
from red.seeds import derive

# Equal to no answer, and not settled by the cheap steps: the symbolic one has to read the gold.
_PROBE = r"\boxed{\sqrt{2} \xi_{7}}"


@dataclass(frozen=True)
class Prompts:
    """Rows to write; `system` is the data set's own system prompt (empty if none)."""

    rows: list[dict[str, Any]]
    system: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """All rows of the source that `spec["source"]` names."""
    source = spec.get("source", "embedded")
    known = {
        name.removeprefix("from_"): value
        for name, value in globals().items()
        if name.startswith("from_") and getattr(value, "__module__", None) == __name__
    }
    if source not in known:
        raise ConfigError(f"prompts.source: {source!r} is unknown; known: {', '.join(sorted(known))}")
    return known[source](spec)


@dataclass(frozen=True)
class EmbeddedPrompts:
    """`count` different questions of the tiny world's training partition."""

    source: str = "embedded"
    count: int = 3000
    seed: int = 1


def from_openr1(spec: Mapping[str, Any]) -> Prompts:
    """The paper's prompts, each with its own system prompt.

    Counts and drops `unparsed_answer`: a gold that only looks usable would end a training as a data error.
    """
    from red.data.openr1 import rows
    from red.grading.grader import Case, Grader
    from red.grading.verdict import DATA_ERROR

    counts: Counter[str] = Counter()
    found = []
    with Grader(lenient=False) as grader:
        for row, verdict in grader.grade_rows(rows(spec, counts), lambda row: Case(_PROBE, row.answer)):
            if verdict.reason == DATA_ERROR:
                counts["unparsed_answer"] += 1
                counts["rows"] -= 1
                continue
            found.append(
                {
                    "id": row.id,
                    "question": row.question,
                    "answer": row.answer,
                    "source": row.source,
                    "system": row.system,
                }
            )
    return Prompts(found, found[0]["system"] if found else "", dict(counts))


def from_embedded(spec: Mapping[str, Any]) -> Prompts:
    """Questions of the tiny world; none of them is in a benchmark or in the pretraining texts."""
    from red.world import mixture

    wanted = from_mapping(EmbeddedPrompts, spec, "prompts")
    random = Random(derive(wanted.seed, "prompts"))
    problems = mixture.distinct(random, "training", mixture.training_problem, wanted.count)
    rows = [
        {"id": f"train-{index:05d}", "question": problem.question, "answer": str(problem.answer), "source": "tiny"}
        for index, problem in enumerate(problems)
    ]
    return Prompts(rows, counts={"rows": len(rows)})
