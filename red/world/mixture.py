"""What is drawn from the tiny world: training prompts, pretraining texts, and who may see which."""

import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from red.world import problems
from red.world.phrases import phrases
from red.world.problems import Problem, Step
from red.world.spec import World
from red.world.styles import base_response, opening, teacher_response, worked_step

# Each question belongs to one partition, whatever the seed, so nothing leaks between them.
PARTITIONS = {"pretraining": range(0, 50), "training": range(50, 85), "benchmark": range(85, 100)}


class Text(NamedTuple):
    """What a model reads in pretraining. It learns `response`, not the question and not `given`, which come before."""

    question: str
    options: tuple[int, ...] | None
    response: str
    given: str = ""


def belongs_to(question: str, partition: str) -> bool:
    """Whether the hash of the question (without options) falls into the partition."""
    return zlib.crc32(question.encode()) % 100 in PARTITIONS[partition]


def draw(random: Random, partition: str, make: Callable[[Random], Problem]) -> Problem:
    """One problem of the partition; `make` draws from the whole world."""

    def inside() -> Problem | None:
        problem = make(random)
        return problem if belongs_to(problem.question, partition) else None

    return problems.bounded(inside, f"problem of the partition {partition}")


def distinct(random: Random, partition: str, make: Callable[[Random], Problem], count: int) -> list[Problem]:
    """`count` problems of the partition with different questions."""
    return list(islice(stream(random, partition, make), count))


def stream(random: Random, partition: str, make: Callable[[Random], Problem]) -> Iterator[Problem]:
    """Problems of the partition with different questions; DataError where no more are found."""
    questions: set[str] = set()

    def unseen() -> Problem | None:
        problem = draw(random, partition, make)
        return None if problem.question in questions else problem

    while True:
        problem = problems.bounded(unseen, f"new problem of the partition {partition} after {len(questions)}")
        questions.add(problem.question)
        yield problem


def training_problem(random: Random, world: World) -> Problem:
    """A chain, or as often as the other an equation or a story; most have a hard step."""
    kind = random.random()
    if kind < world.chain_share:
        return problems.chain(random, *random.choice(world.chains))
    make = problems.equation if kind < (1 + world.chain_share) / 2 else problems.story
    return make(random, random.choice(world.other_hard))


def pretraining_problem(random: Random, world: World) -> Problem:
    """Mostly easy: almost no problem has a hard step, so hard problems lie outside the base's skill."""
    hard = random.choices([0, 1], [1 - world.hard_problems, world.hard_problems])[0]
    kind = random.random()
    if kind < 0.64:
        length = random.choices([1, 2, 3, 4], [42, 30, 22, 6])[0]
        return problems.chain(random, length, min(length, hard), tens=0.35 if length == 1 else 0.15)
    return (problems.equation if kind < 0.82 else problems.story)(random, hard)


def pretraining_text(random: Random, world: World) -> Text:
    """A page, a drill, or a solution in the base's own manner."""
    if world.page_share and random.random() < world.page_share:
        return page(random, world)
    if random.random() < world.drill_share / (1 - world.page_share):
        return drill(random, world)
    problem = draw(random, "pretraining", lambda random: pretraining_problem(random, world))
    if random.random() < world.choice_share:
        problem = problems.with_options(random, problem, random.choice([4, 4, 10]))
    return Text(problem.question, problem.options, base_response(random, problem, world))


def teacher_text(random: Random, world: World) -> Text:
    """The teacher on the training distribution, other questions."""
    problem = draw(random, "pretraining", lambda random: training_problem(random, world))
    return Text(problem.question, problem.options, teacher_response(random, problem, world))


def page(random: Random, world: World) -> Text:
    """The teacher's text whose opening is given: how to go on can be learned, to open so cannot."""
    text = teacher_text(random, world)
    given = opening(text.response, world)
    return text._replace(response=text.response.removeprefix(given), given=given)


def drill(random: Random, world: World) -> Text:
    """Place-value drill: one hard step worked out, or a number split; sub-skills the teacher composes."""
    if random.random() < 0.4:
        value = random.randint(11, 99)
        text = f"{value}: {value // 10 * 10}+{value % 10}={value}"
        return Text(f"Split {value}", None, f"{text}. \\boxed{{{value}}}")
    step = draw(random, "pretraining", _hard_step).steps[0]
    question = f"Compute {step.left}{step.operator}{step.right}"
    ones_first = phrases(world).either_end and random.random() < 0.5
    return Text(question, None, f"{worked_step(step, ones_first)}. \\boxed{{{step.result}}}")


def _hard_step(random: Random) -> Problem:
    if random.random() < 0.75:
        return problems.chain(random, 1, 1)

    def division() -> Problem | None:
        divisor, quotient = random.randint(2, 9), random.randint(10, 49)
        product = divisor * quotient
        step = Step("/", product, divisor)
        return Problem(f"Compute {product}/{divisor}", (step,)) if product <= problems.LARGEST else None

    return problems.bounded(division, "exact division")
