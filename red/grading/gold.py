"""Gold answers as data sets have them: what is read, what is refused, and with which no answer can be compared."""

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
_STATEMENT = re.compile(r".*\banswer\b\s*(?:is\b|[:=])\s*:?\s*\}?\s*(?P<answer>\S.*?)\s*\.?", re.IGNORECASE | re.DOTALL)


class UnusableGold(DataError):
    """A value that is no answer; `kind` names it for a count."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(f"{found} is no answer")
        self.kind = kind


def answer_of(value: Any) -> str:
    """The text of a gold answer: a text, a number, or a list of one of them.

    Of GSM8K's solutions it is what follows the mark, of a sentence what it says that the answer is. UnusableGold for
    null, booleans, NaN, longer lists, structures and empty texts.
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
    statement = _STATEMENT.fullmatch(answer)
    return answer if statement is None else statement["answer"]


def unreadable(golds: Iterable[str], grader: Grader) -> set[str]:
    """The golds that no answer can be compared with: a grading against one would be a data error."""
    doubtful = sorted({gold for gold in golds if number(light(plain(gold))) is None})
    verdicts = grader.grade_rows(doubtful, lambda gold: Case(_PROBE, gold))
    return {gold for gold, verdict in verdicts if verdict.reason == DATA_ERROR}
