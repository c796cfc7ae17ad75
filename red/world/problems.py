"""Problems with whole-number steps. A question determines its steps, so it can be parsed back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from red.errors import DataError

ATTEMPTS = 2000
LARGEST = 99


@dataclass(frozen=True)
class Step:
    """`left operator right = result`, all in 0..99; division is exact."""

    operator: str
    left: int
    right: int

    @property
    def result(self) -> int:
        """Value of the step; 0 for a division by zero, which no generator makes."""
        if self.operator == "+":
            return self.left + self.right
        if self.operator == "-":
            return self.left - self.right
        if self.operator == "*":
            return self.left * self.right
        return self.left // self.right if self.right else 0

    @property
    def is_hard(self) -> bool:
        """Whether the teacher decomposes it: two-digit operand, two-digit factor, or quotient above 9."""
        if self.operator in "+-":
            return self.right > 9 and self.right % 10 > 0
        if self.operator == "*":
            return self.left > 9 and self.right > 1
        return self.result > 9


@dataclass(frozen=True)
class Problem:
    """A question, the steps that solve it, and the answer; `options` only for multiple choice."""

    question: str
    steps: tuple[Step, ...]
    options: tuple[int, ...] | None = None

    @property
    def answer(self) -> int:
        """Result of the last step."""
        return self.steps[-1].result

    @property
    def hard_steps(self) -> int:
        """How many steps need decomposition: the measure of difficulty beside the length."""
        return sum(step.is_hard for step in self.steps)


def bounded(draw: Callable[[], Problem | None], description: str) -> Problem:
    """First problem that `draw` accepts; DataError with the parameters if none comes."""
    for _ in range(ATTEMPTS):
        problem = draw()
        if problem is not None:
            return problem
    raise DataError(f"tiny world: no {description} in {ATTEMPTS} attempts; relax its parameters")


def chain(random: Random, length: int, hard: int = 0, tens: float = 0.0) -> Problem:
    """`Compute 12+7*3`, from left to right: `length` steps, `hard` of them hard.

    `tens` is the probability that an easy step adds or subtracts a multiple of ten.
    """

    description = f"chain with length={length} hard={hard}"
    if not 0 <= hard <= length:
        raise DataError(f"tiny world: no {description}: only its own steps can be hard")

    def draw() -> Problem | None:
        value = random.randint(2, 9) if random.random() < 0.5 else random.randint(10, LARGEST)
        wanted = [True] * hard + [False] * (length - hard)
        random.shuffle(wanted)
        steps: list[Step] = []
        for is_hard in wanted:
            candidates = _hard_steps(random, value) if is_hard else _easy_steps(random, value, tens)
            if not candidates:
                return None
            steps.append(random.choice(candidates))
            value = steps[-1].result
        text = "".join(f"{step.operator}{step.right}" for step in steps)
        return Problem(f"Compute {steps[0].left}{text}", tuple(steps))

    return bounded(draw, description)


def equation(random: Random, hard: int = 0) -> Problem:
    """`Solve 3x-1=14`: undo the sum, then divide; `hard` of the two steps are hard."""

    def draw() -> Problem | None:
        factor = random.randint(2, 9)
        small = hard == 0 or random.random() < 0.3
        root = random.randint(2, 9) if small else random.randint(10, 49)
        offset = random.randint(1, 9) if hard == 0 or random.random() < 0.4 else random.randint(11, 88)
        sign = random.choice("+-")
        total = factor * root + offset if sign == "+" else factor * root - offset
        if factor * root > LARGEST or not 0 <= total <= LARGEST:
            return None
        problem = parse(f"Solve {factor}x{sign}{offset}={total}")
        return problem if problem.hard_steps == hard else None

    return bounded(draw, f"equation with hard={hard}")


def story(random: Random, hard: int = 0) -> Problem:
    """`4 boxes of 7 pens, then 5 more`: multiply, then add or subtract; `hard` of the two are hard."""

    def draw() -> Problem | None:
        small = hard == 0 or random.random() < 0.3
        boxes, pens = random.randint(2, 9), random.randint(2, 9) if small else random.randint(11, 49)
        change = random.randint(1, 9) if hard == 0 or random.random() < 0.5 else random.randint(11, 90)
        problem = parse(f"{boxes} boxes of {pens} pens, then {change} {random.choice(['more', 'lost'])}")
        in_range = boxes * pens <= LARGEST and 0 <= problem.answer <= LARGEST
        return problem if in_range and problem.hard_steps == hard else None

    return bounded(draw, f"story with hard={hard}")


def with_options(random: Random, problem: Problem, count: int) -> Problem:
    """Multiple choice: the answer among `count` different values, most of them near misses."""
    near = (-20, -11, -10, -9, -3, -2, -1, 1, 2, 3, 9, 10, 11, 20)
    options = [problem.answer]
    while len(options) < count:
        is_near = random.random() < 0.8
        value = problem.answer + random.choice(near) if is_near else random.randint(0, LARGEST)
        if 0 <= value <= LARGEST and value not in options:
            options.append(value)
    random.shuffle(options)
    return Problem(problem.question, problem.steps, tuple(options))


_CHAIN = re.compile(r"Compute (\d+)((?:[-+*/]\d+)+)")
_EQUATION = re.compile(r"Solve (\d+)x([-+])(\d+)=(\d+)")
_STORY = re.compile(r"(\d+) boxes of (\d+) pens, then (\d+) (more|lost)")


def parse(question: str) -> Problem:
    """The problem behind a question of `chain`, `equation` or `story` (options are not part of it)."""
    if match := _CHAIN.fullmatch(question):
        value, steps = int(match[1]), []
        for operator, right in re.findall(r"([-+*/])(\d+)", match[2]):
            steps.append(Step(operator, value, int(right)))
            value = steps[-1].result
        return Problem(question, tuple(steps))
    if match := _EQUATION.fullmatch(question):
        factor, offset, total = int(match[1]), int(match[3]), int(match[4])
        undo = Step("-" if match[2] == "+" else "+", total, offset)
        return Problem(question, (undo, Step("/", undo.result, factor)))
    if match := _STORY.fullmatch(question):
        boxes, pens, change = int(match[1]), int(match[2]), int(match[3])
        product = Step("*", max(boxes, pens), min(boxes, pens))
        last = Step("+" if match[4] == "more" else "-", product.result, change)
        return Problem(question, (product, last))
    raise DataError(f"tiny world: {question!r} is not one of its questions")


def _easy_steps(random: Random, value: int, tens: float) -> list[Step]:
    if random.random() < tens:
        rounds = [Step("+", value, right) for right in range(10, LARGEST + 1 - value, 10)]
        rounds += [Step("-", value, right) for right in range(10, value + 1, 10)]
        if rounds:
            return rounds
    steps = [Step("+", value, right) for right in range(1, min(9, LARGEST - value) + 1)]
    steps += [Step("-", value, right) for right in range(1, min(9, value) + 1)]
    if 1 < value <= 9:
        steps += [Step("*", value, right) for right in range(2, 10)] * 2
    return steps


def _hard_steps(random: Random, value: int) -> list[Step]:
    sums = [Step("+", value, right) for right in range(11, LARGEST + 1 - value) if right % 10]
    sums += [Step("-", value, right) for right in range(11, value) if right % 10]
    products = [Step("*", value, right) for right in range(2, 10) if value > 9 and value * right <= LARGEST]
    if products and (not sums or random.random() < 0.5):
        return products
    return sums
