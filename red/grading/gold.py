"""Gold answers as data sets have them: what is read as an answer, and what is refused. Imports no grader."""

import math
import re
from collections.abc import Mapping
from typing import Any

from red.errors import DataError

GSM8K = "####"
"""GSM8K's mark: what follows the last one is the answer."""

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
