"""Cheap steps of mathematical grading: extraction, text, exact numbers, refusal.

They settle most answers in microseconds without importing math-verify; the rest comes back as
`Undecided` and is compared symbolically by a worker (`red.grading.algebra.pool`).
"""

import re
from functools import lru_cache

from red.grading import verdict
from red.grading.answers.limits import DEEPEST_NESTING, LONGEST_ANSWER, is_refused, nesting
from red.grading.answers.normalize import gold_text, light, plain, words
from red.grading.answers.numbers import number
from red.grading.answers.structure import bare, same, with_both_signs
from red.grading.answers.units import disagree, split_unit, without_short_unit
from red.grading.extract import final_text, last_box
from red.grading.verdict import Undecided, Verdict

LENIENT_TAIL = 300
"""Characters at the end of a response without a box that the lenient verdict reads."""

_LONGEST_RAW_BOX = 5_000
_PROSE = re.compile(
    r"^(?:\\text\s*\{\s*)?[A-Za-z ,']*\b(?:(?:is|are|equals?)\s*:?|(?:answer|result|solution)\s*:)"
    r"\s*\}?(?=\s*\S)",
    re.IGNORECASE,
)


def grade_math(response: str, gold: str, *, thought_open: bool = False) -> Verdict | Undecided:
    """Strict verdict on the last complete box after the thought.

    `thought_open` says that the prompt ends inside a thought. A gold that cannot be read is a
    `data_error` and never right.
    """
    if not is_usable(gold):
        return Verdict(False, False, verdict.DATA_ERROR)
    text = final_text(response, thought_open=thought_open)
    if text is None:
        return Verdict(False, False, verdict.UNCLOSED_THOUGHT)
    box = last_box(text)
    if box is None:
        tail = text[-LENIENT_TAIL:].strip()
        if not tail or is_refused(plain(tail)):
            return Verdict(False, False, verdict.NO_BOX)
        return Undecided(gold, tail, boxed=False)
    if len(box) > _LONGEST_RAW_BOX:
        return Verdict(False, False, verdict.REFUSED)
    return compare(gold, box)


@lru_cache(maxsize=16_384)
def is_usable(gold: str) -> bool:
    """Whether a gold holds an answer at all: a letter or digit, and balanced braces."""
    text = gold_text(gold)
    braces = re.sub(r"\\[{}]", "", text)
    return braces.count("{") == braces.count("}") and any(map(str.isalnum, text))


@lru_cache(maxsize=16_384)
def compare(gold: str, box: str) -> Verdict | Undecided:
    """Strict verdict on the content of a box, or the texts that need symbolic comparison."""
    reference, prediction = gold_text(gold), _PROSE.sub("", plain(box))
    if nesting(prediction) > DEEPEST_NESTING:
        return Verdict(False, False, verdict.REFUSED)
    if not (answer := light(prediction)):
        return Verdict(False, False, verdict.EMPTY_BOX)
    if len(answer) > max(LONGEST_ANSWER, 2 * len(reference)):
        return Verdict(False, False, verdict.REFUSED)
    if light(reference) == answer:
        return _settled(True)
    if (word := words(reference)) and (answer.isalpha() or number(answer)):
        return _settled(answer.lower() == word)
    if words(prediction) and any(map(str.isdigit, reference)):
        return _settled(False)
    reference, reference_unit = split_unit(reference)
    prediction, prediction_unit = split_unit(prediction)
    if not any(map(str.isalpha, reference)):
        prediction = without_short_unit(prediction)
    reference, prediction = with_both_signs(reference), with_both_signs(bare(prediction))
    agreed = False if disagree(reference_unit, prediction_unit) else same(light(reference), light(prediction))
    if agreed is not None:
        return _settled(agreed)
    if is_refused(prediction):
        return Verdict(False, False, verdict.REFUSED)
    return Undecided(reference, prediction)


def _settled(agreed: bool) -> Verdict:
    return Verdict(agreed, agreed, verdict.RIGHT if agreed else verdict.WRONG)
