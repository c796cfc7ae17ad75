"""The tiny world: generated problems and a teacher that knows how to solve them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from red.data.sources import Demonstration, Prompts
from red.plumbing.records import from_mapping
from red.seeds import derive
from red.world import mixture
from red.world.problems import parse
from red.world.styles import teacher_response


@dataclass(frozen=True)
class PromptsSpec:
    """`count` different questions of the training partition."""

    source: str = "embedded"
    count: int = 3000
    seed: int = 1


@dataclass(frozen=True)
class DemonstrationsSpec:
    """`seed` draws the teacher's wording."""

    source: str = "embedded"
    seed: int = 1


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """Questions of the tiny world; none of them is in a benchmark or in the pretraining texts."""
    settings = from_mapping(PromptsSpec, spec, "prompts")
    random = Random(derive(settings.seed, "prompts"))
    problems = mixture.distinct(random, "training", mixture.training_problem, settings.count)
    rows = [
        {"id": f"train-{index:05d}", "question": problem.question, "answer": str(problem.answer), "source": "tiny"}
        for index, problem in enumerate(problems)
    ]
    return Prompts(rows)


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> list[Demonstration]:
    """A teacher response to every prompt of the tiny world."""
    settings = from_mapping(DemonstrationsSpec, spec, "demonstrations")
    return [Demonstration(row["id"], _teacher(row, settings.seed)) for row in prompts]


def _teacher(row: Mapping[str, Any], seed: int) -> str:
    return teacher_response(Random(derive(seed, "demonstration", row["id"])), parse(row["question"]))
