"""What is drawn from the tiny world: training prompts, pretraining texts, and who may see which."""

import zlib
from collections.abc import Callable
from random import Random

from red.world import problems
from red.world.problems import Problem, Step
from red.world.styles import Habits, base_response, teacher_response, worked_step

# Each question belongs to one partition, whatever the seed, so nothing leaks between them.
PARTITIONS = {"pretraining": range(0, 50), "training": range(50, 85), "benchmark": range(85, 100)}
HABITS = Habits()
DRILL_SHARE = 0.10
CHOICE_SHARE = 0.12
# (steps, hard steps) of the chains among the training prompts
TRAINING_CHAINS = ((2, 0), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2))
HARD_STEPS_PERCENT = (97, 3, 0)  # pretraining problems with 0, 1, 2 hard steps


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
    found: dict[str, Problem] = {}

    def unseen() -> Problem | None:
        problem = draw(random, partition, make)
        return None if problem.question in found else problem

    while len(found) < count:
        problem = problems.bounded(unseen, f"new problem of the partition {partition} after {len(found)}")
        found[problem.question] = problem
    return list(found.values())


def training_problem(random: Random) -> Problem:
    """Half chains of 2 to 4 steps, a quarter equations, a quarter stories; most have a hard step."""
    kind = random.random()
    if kind < 0.5:
        return problems.chain(random, *random.choice(TRAINING_CHAINS))
    make = problems.equation if kind < 0.75 else problems.story
    return make(random, random.choice([0, 1, 1, 2]))


def pretraining_problem(random: Random) -> Problem:
    """Mostly easy: almost no problem has a hard step, so hard problems lie outside the base's skill."""
    hard = random.choices([0, 1, 2], HARD_STEPS_PERCENT)[0]
    kind = random.random()
    if kind < 0.64:
        length = random.choices([1, 2, 3, 4], [42, 30, 22, 6])[0]
        return problems.chain(random, length, min(length, hard), tens=0.35 if length == 1 else 0.15)
    return (problems.equation if kind < 0.82 else problems.story)(random, hard)


def pretraining_text(random: Random) -> tuple[str, tuple[int, ...] | None, str]:
    """(question, options, response) as the base model reads them."""
    if random.random() < DRILL_SHARE:
        return drill(random)
    problem = draw(random, "pretraining", pretraining_problem)
    if random.random() < CHOICE_SHARE:
        problem = problems.with_options(random, problem, random.choice([4, 4, 10]))
    return problem.question, problem.options, base_response(random, problem, HABITS)


def teacher_text(random: Random) -> tuple[str, tuple[int, ...] | None, str]:
    """(question, options, response) of the teacher on the training distribution, other questions."""
    problem = draw(random, "pretraining", training_problem)
    return problem.question, problem.options, teacher_response(random, problem)


def drill(random: Random) -> tuple[str, None, str]:
    """Place-value drill: one hard step worked out, or a number split; sub-skills the teacher composes."""
    if random.random() < 0.4:
        value = random.randint(11, 99)
        text = f"{value}: {value // 10 * 10}+{value % 10}={value}"
        return f"Split {value}", None, f"{text}. \\boxed{{{value}}}"
    step = draw(random, "pretraining", _hard_step).steps[0]
    question = f"Compute {step.left}{step.operator}{step.right}"
    return question, None, f"{worked_step(step)}. \\boxed{{{step.result}}}"


def _hard_step(random: Random) -> Problem:
    if random.random() < 0.75:
        return problems.chain(random, 1, 1)

    def division() -> Problem | None:
        divisor, quotient = random.randint(2, 9), random.randint(10, 49)
        product = divisor * quotient
        step = Step("/", product, divisor)
        return Problem(f"Compute {product}/{divisor}", (step,)) if product <= problems.LARGEST else None

    return problems.bounded(division, "exact division")
