"""Times of day and ratios: numbers with a colon between them."""

import re
from fractions import Fraction

from red.grading.answers.numbers import number

_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?:([ap])\.?m\.?)?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})([ap])\.?m\.?", re.IGNORECASE)


def same_time(gold: str, answer: str) -> bool | None:
    """Whether two light texts are the same time of day; None if neither is one.

    Half of the day counts where the gold names it; 16:05 is 4:05 p.m. A time is no fraction.
    """
    ours, theirs = _time(gold), _time(answer)
    if ours is None and theirs is None:
        return None
    if ours is None or theirs is None:
        return False
    return ours == theirs or (ours[1:] == theirs[1:] and ours[0] == theirs[0] % 12 and not _has_half(gold))


def same_ratio(gold: str, answer: str) -> bool | None:
    """Whether two light texts such as `3:4` or `1:2:3` are the same ratio of numbers; None if one is none."""
    ours, theirs = _ratio(gold), _ratio(answer)
    if not ours or not theirs:
        return None
    return len(ours) == len(theirs) and all(a * theirs[0] == b * ours[0] for a, b in zip(ours, theirs, strict=True))


def _time(text: str) -> tuple[int, int, int] | None:
    """Hour of 24, minute, second."""
    text = text.replace("{:}", ":")
    if match := _TIME.fullmatch(text):
        hour, minute, second, half = match.groups()
    elif match := _HOUR.fullmatch(text):
        hour, half, minute, second = *match.groups(), "0", "0"
    else:
        return None
    hours = int(hour)
    if hours > (12 if half else 24):
        return None
    if half:
        hours = hours % 12 + 12 * (half in "pP")
    return hours, int(minute), int(second or 0)


def _has_half(text: str) -> bool:
    return text.lower().replace(".", "").endswith("m")


def _ratio(text: str) -> list[Fraction]:
    """The terms of a ratio; empty if there is none, or one is not positive."""
    terms = [number(term) for term in text.split(":")]
    values = [term.value for term in terms if term is not None and term.value > 0]
    return values if len(values) == len(terms) > 1 else []
