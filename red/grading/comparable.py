"""Golds that no answer can be compared with: known before anybody answers."""

from collections.abc import Iterable

from red.grading.answers.normalize import light, plain
from red.grading.answers.numbers import number
from red.grading.grader import Case, Grader
from red.grading.verdict import DATA_ERROR

# Equal to no answer, and not settled by the cheap steps: the symbolic one has to read the gold.
_PROBE = r"\boxed{\sqrt{2} \xi_{7}}"


def unreadable(golds: Iterable[str], grader: Grader) -> set[str]:
    """The golds that no answer can be compared with: a grading against one would be a data error."""
    doubtful = sorted({gold for gold in golds if number(light(plain(gold))) is None})
    verdicts = grader.grade_rows(doubtful, lambda gold: Case(_PROBE, gold))
    return {gold for gold, verdict in verdicts if verdict.reason == DATA_ERROR}
