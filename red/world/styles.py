"""How the tiny world's solutions are written: tersely by the base, with re-checking by the teacher."""

import re
from random import Random

from red.world.phrases import one_of, phrases
from red.world.problems import LARGEST, Problem, Step
from red.world.spec import World

# Sections of a teacher response, in order; Figure 7 asks in which of them thinking words change.
STAGES = ("Open", "Initial", "Intermediate", "Final")
_BOX = re.compile(r"\\boxed\{(\d+)\}")


def boxed_answer(response: str) -> str | None:
    """Last boxed number of a response, None if there is none."""
    boxes = _BOX.findall(response)
    return boxes[-1] if boxes else None


def base_response(random: Random, problem: Problem, world: World) -> str:
    """`2+4=6+62=68. \\boxed{68}` with carried slips, a bare guess, or the teacher's manner if easy."""
    manner = random.random()
    if problem.options is None and manner < world.teacher_like and not problem.hard_steps:
        return teacher_response(random, problem, world)
    if problem.options is None and manner < world.teacher_like + world.guess:
        wrong = random.random() < world.wrong_guess
        text, value = "", near_miss(random, problem.answer) if wrong else problem.answer
    else:
        text, value = _run_on(random, problem, world)
    if problem.options is not None:
        value = min(problem.options, key=lambda option: abs(option - value))
        return f"{text}\\boxed{{{value}}}"
    return f"{text}Answer {value}" if random.random() < world.unboxed else f"{text}\\boxed{{{value}}}"


def teacher_response(random: Random, problem: Problem, world: World) -> str:
    """Opening, one sentence per step, some re-checks, final box."""
    words = phrases(world)
    parts = [one_of(random, words.openers)]
    for index, step in enumerate(problem.steps):
        ones_first = words.either_end and random.random() < 0.5
        parts.append(f"{one_of(random, words.following if index else words.first)}{worked_step(step, ones_first)}. ")
        if words.remarks and random.random() < words.remark:
            parts.append(one_of(random, words.remarks).format(result=step.result))
        if random.random() < world.recheck:
            parts.append(one_of(random, words.rechecks).format(check=_inverse(step)))
    return "".join(parts) + one_of(random, words.closings) + f"\\boxed{{{problem.answer}}}"


def opening(response: str, world: World) -> str:
    """The words with which a teacher response opens; empty if it is none."""
    return next((words for words in phrases(world).openers if response.startswith(words)), "")


def worked_step(step: Step, ones_first: bool = False) -> str:
    """`34+28: 34+20=54+8=62, 34+28=62`: a hard step by place value and restated; an easy one as it is."""
    plain = f"{step.left}{step.operator}{step.right}={step.result}"
    if not step.is_hard:
        return plain
    if step.operator in "+-":
        worked = _sum(step, ones_first)
    else:
        worked = _product(step) if step.operator == "*" else _quotient(step)
    return f"{step.left}{step.operator}{step.right}: {worked}, {plain}"


def near_miss(random: Random, value: int) -> int:
    """A wrong value as slips produce it: off by one, two or ten."""
    return random.choice([value + d for d in (-10, -2, -1, 1, 2, 10) if 0 <= value + d <= LARGEST])


def _run_on(random: Random, problem: Problem, world: World) -> tuple[str, int]:
    value = problem.steps[0].left
    parts = [] if world.restate else [str(value)]
    for step in problem.steps:
        result = max(0, min(LARGEST, Step(step.operator, value, step.right).result))
        if random.random() < (world.hard_slip if step.is_hard else world.slip):
            result = near_miss(random, result)
        said = f"{step.operator}{step.right}={result}"
        parts.append(f"{value}{said}. " if world.restate else said)
        value = result
    return "".join(parts) + ("" if world.restate else ". "), value


def _sum(step: Step, ones_first: bool) -> str:
    parts = [step.right // 10 * 10, step.right % 10]
    first, second = reversed(parts) if ones_first else parts
    partial = Step(step.operator, step.left, first).result
    return f"{step.left}{step.operator}{first}={partial}{step.operator}{second}={step.result}"


def _product(step: Step) -> str:
    tens, ones = step.left // 10 * 10, step.left % 10
    high, low = tens * step.right, ones * step.right
    if not ones:
        return f"{tens}*{step.right}={high}"
    low_tens, low_ones = low // 10 * 10, low % 10
    if low_tens and low_ones:
        total = f"{high}+{low_tens}={high + low_tens}+{low_ones}={step.result}"
    else:
        total = f"{high}+{low}={step.result}"
    return f"{tens}*{step.right}={high}, {ones}*{step.right}={low}, {total}"


def _quotient(step: Step) -> str:
    tens, ones = step.result // 10 * 10, step.result % 10
    high = tens * step.right
    low = step.left - high
    if not ones:
        return f"{tens}*{step.right}={high}, {step.left}-{high}=0"
    return f"{tens}*{step.right}={high}, {step.left}-{high}={low}/{step.right}={ones}, {tens}+{ones}={step.result}"


def _inverse(step: Step) -> str:
    inverse = {"+": "-", "-": "+", "*": "/", "/": "*"}[step.operator]
    return f"{step.result}{inverse}{step.right}={step.left}"
