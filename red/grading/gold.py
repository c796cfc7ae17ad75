"""Gold answers as data sets have them: what is read as an answer, what is refused, and which cannot be compared with."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from red.errors import DataError
from red.grading.answers.normalize import light, plain
from red.grading.answers.numbers import number
from red.grading.grader import Case, Grader
from red.grading.verdict import DATA_ERROR

GSM8K = "####"
"""GSM8K's mark: what follows the last one is the answer."""

# Equal to no answer, and not settled by the cheap steps: the symbolic one has to read the gold.
_PROBE = r"\boxed{\sqrt{2} \xi_{7}}"
_STATEMENT = re.compile(r"\b(?:answer|result|solution|value)\b.*(?:\b(?:is|are|equals?)\b|[:=]\s*\S)", re.IGNORECASE | re.S)


class UnusableGold(DataError):
    """A value that is no answer; `kind` names it for a count."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(f"{found} is no answer")
        self.kind = kind


def answer_of(value: Any) -> str:
    """The text of a gold answer: a text, a number, or a list of one of them.

    UnusableGold for null, booleans, NaN, longer lists, structures, empty texts, and sentences that state an answer.
    """
    match value:
        case None:
            raise UnusableGold("null", "null")
        case bool():
            raise UnusableGold("boolean", str(value).lower())
        case int():
            return str(value)
        case float() if not math.isfinite(value):
            raise UnusableGold("number", f"the number {value}")
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case str():
            return _stated(value)
        case [only]:
            return answer_of(only)
        case list() | tuple():
            raise UnusableGold("list", f"a list of {len(value)}")
        case Mapping():
            raise UnusableGold("structure", "a structure")
    raise UnusableGold("type", f"a {type(value).__name__}")


def _stated(text: str) -> str:
    answer = text.rpartition(GSM8K)[2].strip()
    if not answer:
        raise UnusableGold("empty", "an empty text")
    if _STATEMENT.search(answer):
        raise UnusableGold("sentence", f"the sentence {answer[:40]!r}")
    return answer


def unreadable(golds: Iterable[str], workers: int | None = None) -> set[str]:
    """The golds that no answer can be compared with: a grading against one would be a data error."""
    doubtful = sorted({gold for gold in golds if number(light(plain(gold))) is None})
    with Grader(workers=workers, lenient=False) as grader:
        verdicts = grader.grade_rows(doubtful, lambda gold: Case(_PROBE, gold))
        return {gold for gold, verdict in verdicts if verdict.reason == DATA_ERROR}
