"""The votes of a majority: answers to one problem that are equal have one vote together, however they are spelled."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from red.evaluation.benchmarks import Problem
from red.grading import verdict
from red.grading.answers.normalize import light, plain
from red.grading.choice import grade_choice, is_letter
from red.grading.extract import final_text, last_box
from red.grading.grader import Case, Grader
from red.text.template import LETTERS

RIGHT = "right"
LONGEST_VOTE = 1_000  # characters of a box

Votes = list[str | None]


def votes(
    problems: Sequence[Problem], responses: Sequence[Sequence[str]], correct: Sequence[Sequence[float]], grader: Grader
) -> list[Votes]:
    """The vote of each response [problems, samples]; None where no answer can be read.

    All right answers are one vote. Wrong ones are compared with each other by the grader; of those that it calls equal,
    each has the vote of the first.
    """
    ballots = [
        _ballot(problem, texts, verdicts) for problem, texts, verdicts in zip(problems, responses, correct, strict=True)
    ]
    pairs = [(ballot, *pair) for ballot in ballots for pair in combinations(ballot.boxes, 2)]
    graded = grader.grade(Case(f"\\boxed{{{ballot.boxes[one]}}}", ballot.boxes[other]) for ballot, one, other in pairs)
    for (ballot, one, other), found in zip(pairs, graded, strict=True):
        if found.reason == verdict.RIGHT:
            ballot.same.setdefault(other, ballot.same.get(one, one))
    return [[ballot.same.get(vote, vote) if vote else None for vote in ballot.spelled] for ballot in ballots]


@dataclass
class _Ballot:
    """Spellings of the answers to one problem, the first box of each that the grader must compare with the others, and
    for a spelling the earlier one that equals it."""

    spelled: Votes
    boxes: dict[str, str]
    same: dict[str, str] = field(default_factory=dict)


def _ballot(problem: Problem, responses: Sequence[str], correct: Sequence[float]) -> _Ballot:
    if problem.options is not None and is_letter(problem.answer):
        return _Ballot([_letter(response, problem.options) for response in responses], {})
    spelled: Votes = []
    boxes: dict[str, str] = {}
    for response, right in zip(responses, correct, strict=True):
        text = final_text(response)
        box = None if text is None else last_box(text)
        spelling = light(plain(box)) if box is not None and len(box) < LONGEST_VOTE else ""
        if box and spelling and not right:
            boxes.setdefault(spelling, box)
        spelled.append(RIGHT if right else spelling or None)
    return _Ballot(spelled, boxes)


def _letter(response: str, options: Sequence[str]) -> str | None:
    return next((letter for letter in LETTERS[: len(options)] if grade_choice(response, letter, options).correct), None)
