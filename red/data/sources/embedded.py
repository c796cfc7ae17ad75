"""The tiny world: generated problems and a teacher that knows how to solve them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any

from red.data.sources import Demonstration, Prompts
from red.errors import ConfigError, DataError
from red.plumbing.records import from_mapping
from red.ranges import AT_ONCE, Count, Natural, Rows
from red.seeds import derive
from red.world import mixture
from red.world.problems import ATTEMPTS, Problem, parse
from red.world.spec import World
from red.world.styles import teacher_response


@dataclass(frozen=True)
class PromptsSpec:
    """`count` different questions of the training partition, after the first `skip`.

    With `longest`, only those whose demonstration, in the wording of this `seed`, has at most so many tokens, its end
    included.
    """

    source: str = "embedded"
    count: Rows = 3000
    seed: Natural = 1
    skip: Natural = 0
    longest: Count | None = None
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        if self.skip + self.count > AT_ONCE:
            raise ConfigError(f"skip: with count more than {AT_ONCE:,} questions")

    def held_out(self, count: int) -> "PromptsSpec":
        """The next `count` questions, which are no training prompts."""
        return replace(self, skip=self.skip + self.count, count=count)


@dataclass(frozen=True)
class DemonstrationsSpec:
    """`seed` draws the teacher's wording."""

    source: str = "embedded"
    seed: Natural = 1
    world: World = field(default_factory=World)


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """Questions of the tiny world; none of them is in a benchmark or in the pretraining texts."""
    settings = from_mapping(PromptsSpec, spec, "prompts")
    rows = list(islice(_fitting(settings), settings.skip, settings.skip + settings.count))
    return Prompts(rows)


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> list[Demonstration]:
    """A teacher response to every prompt of the tiny world."""
    settings = from_mapping(DemonstrationsSpec, spec, "demonstrations")
    return [
        Demonstration(row["id"], _teacher(row["id"], parse(row["question"]), settings.seed, settings.world))
        for row in prompts
    ]


def _problems(settings: PromptsSpec) -> Iterator[Problem]:
    random = Random(derive(settings.seed, "prompts"))
    return mixture.stream(random, "training", lambda random: mixture.training_problem(random, settings.world))


def _fitting(settings: PromptsSpec) -> Iterator[dict[str, Any]]:
    """DataError where none comes any more."""
    last = 0
    for index, problem in enumerate(_problems(settings)):
        if _fits(index, problem, settings):
            yield _row(index, problem)
            last = index
        elif index - last > ATTEMPTS:
            raise DataError(f"prompts.longest: no demonstration of {settings.longest} tokens in {ATTEMPTS:,} questions")


def _fits(index: int, problem: Problem, settings: PromptsSpec) -> bool:
    if settings.longest is None:
        return True
    from red.world.vocabulary import tokenizer

    response = _teacher(_id(index), problem, settings.seed, settings.world)
    return len(tokenizer(settings.world.wording == "varied").encode(response).ids) < settings.longest


def _row(index: int, problem: Problem) -> dict[str, Any]:
    return {"id": _id(index), "question": problem.question, "answer": str(problem.answer), "source": "tiny"}


def _id(index: int) -> str:
    return f"train-{index:05d}"


def _teacher(prompt_id: str, problem: Problem, seed: int, world: World) -> str:
    return teacher_response(Random(derive(seed, "demonstration", prompt_id)), problem, world)
