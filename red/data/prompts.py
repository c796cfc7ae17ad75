"""Training prompts: rows {id, question, answer, source}. A source is one function `from_<source>`."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from red.errors import ConfigError
from red.records import from_mapping
from red.seeds import derive


def prompts(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All rows of the source that `spec["source"]` names."""
    source = spec.get("source", "embedded")
    make = globals().get(f"from_{source}")
    if make is None:
        known = sorted(name[5:] for name in globals() if name.startswith("from_") and name != "from_mapping")
        raise ConfigError(f"prompts.source: {source!r} is unknown; known: {', '.join(known)}")
    return make(spec)


@dataclass(frozen=True)
class EmbeddedPrompts:
    """`count` different questions of the tiny world's training partition."""

    source: str = "embedded"
    count: int = 3000
    seed: int = 1


def from_embedded(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Questions of the tiny world; none of them is in a benchmark or in the pretraining texts."""
    from red.data.world import mixture

    wanted = from_mapping(EmbeddedPrompts, spec, "prompts")
    random = Random(derive(wanted.seed, "prompts"))
    problems = mixture.distinct(random, "training", mixture.training_problem, wanted.count)
    return [
        {
            "id": f"train-{index:05d}",
            "question": problem.question,
            "answer": str(problem.answer),
            "source": "tiny",
        }
        for index, problem in enumerate(problems)
    ]
