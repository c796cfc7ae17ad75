"""How the tiny world's solutions are written: tersely by the base, with re-checking by the teacher."""

import re
from dataclasses import dataclass
from random import Random

from red.world.problems import LARGEST, Problem, Step

# Sections of a teacher response, in order; Figure 7 asks in which of them thinking words change.
STAGES = ("Open", "Initial", "Intermediate", "Final")
_BOX = re.compile(r"\\boxed\{(\d+)\}")


@dataclass(frozen=True)
class Habits:
    """How the base model's pretraining text is written (all are probabilities)."""

    teacher_like: float = 0.20  # the teacher's manner, on problems without a hard step
    guess: float = 0.20  # the answer alone
    unboxed: float = 0.15  # `Answer 68` instead of `\boxed{68}`
    slip: float = 0.08  # wrong result of an easy step; twice as likely for a hard one
    wrong_guess: float = 0.30


def boxed_answer(response: str) -> str | None:
    """Last boxed number of a response, None if there is none."""
    boxes = _BOX.findall(response)
    return boxes[-1] if boxes else None


def base_response(random: Random, problem: Problem, habits: Habits) -> str:
    """`2+4=6+62=68. \\boxed{68}` with carried slips, a bare guess, or the teacher's manner if easy."""
    manner = random.random()
    if problem.options is None and manner < habits.teacher_like and not problem.hard_steps:
        return teacher_response(random, problem)
    if problem.options is None and manner < habits.teacher_like + habits.guess:
        wrong = random.random() < habits.wrong_guess
        text, value = "", near_miss(random, problem.answer) if wrong else problem.answer
    else:
        text, value = _run_on(random, problem, habits.slip)
    if problem.options is not None:
        value = min(problem.options, key=lambda option: abs(option - value))
        return f"{text}\\boxed{{{value}}}"
    return f"{text}Answer {value}" if random.random() < habits.unboxed else f"{text}\\boxed{{{value}}}"


def teacher_response(random: Random, problem: Problem, recheck: float = 0.25) -> str:
    """Open, one sentence per step, re-checks of a step with probability `recheck`, final box."""
    parts = ["Okay, let me think. "]
    for index, step in enumerate(problem.steps):
        opening = "First, " if index == 0 else random.choice(("Then ", "Next, "))
        parts.append(f"{opening}{worked_step(step)}. ")
        if random.random() < recheck:
            parts.append(_recheck(random, step))
    return "".join(parts) + f"So the answer is \\boxed{{{problem.answer}}}"


def worked_step(step: Step) -> str:
    """`34+28: 34+20=54+8=62, 34+28=62`: a hard step by place value and restated; an easy one as it is."""
    plain = f"{step.left}{step.operator}{step.right}={step.result}"
    if not step.is_hard:
        return plain
    worked = {"+": _sum, "-": _sum, "*": _product, "/": _quotient}[step.operator](step)
    return f"{step.left}{step.operator}{step.right}: {worked}, {plain}"


def near_miss(random: Random, value: int) -> int:
    """A wrong value as slips produce it: off by one, two or ten."""
    return random.choice([value + d for d in (-10, -2, -1, 1, 2, 10) if 0 <= value + d <= LARGEST])


def _run_on(random: Random, problem: Problem, slip: float) -> tuple[str, int]:
    value = problem.steps[0].left
    parts = [str(value)]
    for step in problem.steps:
        result = max(0, min(LARGEST, Step(step.operator, value, step.right).result))
        if random.random() < slip * (2 if step.is_hard else 1):
            result = near_miss(random, result)
        parts.append(f"{step.operator}{step.right}={result}")
        value = result
    return "".join(parts) + ". ", value


def _sum(step: Step) -> str:
    tens, ones = step.right // 10 * 10, step.right % 10
    partial = Step(step.operator, step.left, tens).result
    return f"{step.left}{step.operator}{tens}={partial}{step.operator}{ones}={step.result}"


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
    rest = step.left - high
    if not ones:
        return f"{tens}*{step.right}={high}, {step.left}-{high}=0"
    return f"{tens}*{step.right}={high}, {step.left}-{high}={rest}/{step.right}={ones}, {tens}+{ones}={step.result}"


def _recheck(random: Random, step: Step) -> str:
    inverse = {"+": "-", "-": "+", "*": "/", "/": "*"}[step.operator]
    check = f"{step.result}{inverse}{step.right}={step.left}"
    return random.choice(
        (f"Wait, let me check {check}. Yes. ", f"But is it right? {check}. Yes. ", f"Alternatively, {check}. ")
    )
