"""What a grader says about one response."""

from dataclasses import dataclass

RIGHT = "right"
WRONG = "wrong"
UNPARSED = "unparsed"
NO_BOX = "no_box"
EMPTY_BOX = "empty_box"
UNCLOSED_THOUGHT = "unclosed_thought"
OUT_OF_RANGE = "out_of_range"
REFUSED = "refused"
TIMEOUT = "timeout"
CRASH = "crash"
NOT_GRADED = "not_graded"
"""Of no verdict: a grader raises where it is left with one (`red.grading.grader`)."""
DATA_ERROR = "data_error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Strict and lenient verdict on one response.

    `reason` is about the strict verdict; `seconds` is the time the symbolic comparison took
    (0 where the cheap steps decided, or an equal comparison had been made before).
    """

    correct: bool
    correct_lenient: bool
    reason: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Undecided:
    """A comparison that the cheap steps cannot settle; see `red.grading.algebra.pool`.

    `prediction` is the content of the box, or the end of the response where there is no box
    (`boxed` False): the strict verdict is then already wrong and only the lenient one is open.
    """

    gold: str
    prediction: str
    boxed: bool = True
