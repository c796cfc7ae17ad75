"""The tiny stand-ins of the nine benchmarks: as many kinds of difficulty, made from one fixed seed."""

from collections.abc import Callable
from random import Random
from typing import Any

from red.errors import ConfigError
from red.seeds import derive
from red.world.mixture import distinct
from red.world.problems import Problem, chain, equation, story, with_options

SEED = 20250501


def _choose(*kinds: Callable[[Random], Problem]) -> Callable[[Random], Problem]:
    return lambda random: random.choice(kinds)(random)


def _chain(length: int, hard: int) -> Callable[[Random], Problem]:
    return lambda random: chain(random, length, hard)


def _equation(hard: int) -> Callable[[Random], Problem]:
    return lambda random: equation(random, hard)


def _story(hard: int) -> Callable[[Random], Problem]:
    return lambda random: story(random, hard)


# name: (problems, how one is drawn, options or None)
RECIPES: dict[str, tuple[int, Callable[[Random], Problem], int | None]] = {
    "aime24": (30, _chain(4, 2), None),
    "aime25": (30, _choose(_equation(2), _chain(3, 3)), None),
    "amc": (40, _choose(_chain(3, 1), _equation(1), _story(1)), None),
    "math500": (200, _choose(_chain(2, 0), _chain(3, 0), _chain(2, 1), _equation(0), _story(0)), None),
    "minerva": (200, _choose(_story(1), _story(2)), None),
    "olympiad": (200, _choose(_chain(3, 2), _chain(3, 2), _equation(2)), None),
    "arc_c": (200, _choose(_chain(1, 0), _chain(2, 0)), 4),
    "gpqa_diamond": (200, _chain(3, 2), 4),
    "mmlu_pro": (200, _choose(_chain(2, 1), _story(1), _equation(1)), 10),
}


def size(name: str) -> int | None:
    """How many problems a benchmark has; None for an unknown one."""
    return RECIPES[name][0] if name in RECIPES else None


def benchmark(name: str) -> list[Problem]:
    """Problems of one benchmark, always the same; ConfigError names the known ones."""
    if name not in RECIPES:
        raise ConfigError(f"benchmark {name!r} is unknown in the tiny world; known: {', '.join(RECIPES)}")
    count, make, options = RECIPES[name]
    random = Random(derive(SEED, "benchmark", name))
    problems = distinct(random, "benchmark", make, count)
    return [with_options(random, problem, options) if options else problem for problem in problems]


def rows(name: str) -> list[dict[str, Any]]:
    """The benchmark as it is stored. Options are values, and so is the answer: no letters."""
    return [
        {
            "id": f"{name}-{index:03d}",
            "question": problem.question,
            "options": [str(o) for o in problem.options] if problem.options else None,
            "answer": str(problem.answer),
            "extra": {"steps": len(problem.steps), "hard_steps": problem.hard_steps},
        }
        for index, problem in enumerate(benchmark(name))
    ]
