"""One grader for all tests: starting workers takes longer than most of them."""

from collections.abc import Callable, Iterator

import pytest

from red.grading.grader import Case, Grader
from red.grading.verdict import Verdict


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """A grader with two workers."""
    with Grader(workers=2) as shared_grader:
        yield shared_grader


@pytest.fixture(scope="session")
def judge(grader: Grader) -> Callable[[str, str], Verdict]:
    """The verdict on one answer, given as the content of a box."""

    def verdict(gold: str, answer: str) -> Verdict:
        return next(grader.grade([Case(f"The answer is $\\boxed{{{answer}}}$.", gold)]))

    return verdict
