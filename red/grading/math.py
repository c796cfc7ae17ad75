"""Cheap steps of mathematical grading: extraction, text, exact numbers, refusal.

They settle most answers in microseconds without importing math-verify; the rest comes back as
`Undecided` and is compared symbolically by a worker (`red.grading.algebra.pool`).
"""

import re
from functools import lru_cache

from red.grading import verdict
from red.grading.answers.intervals import has_relation, real_set, same_set
from red.grading.answers.limits import DEEPEST_NESTING, LONGEST_ANSWER, is_refused, nesting
from red.grading.answers.normalize import gold_text, light, plain
from red.grading.answers.prose import in_text_mode, is_hedged, parameter, renamed, same_words, unlabelled, unremarked
from red.grading.answers.relations import stated
from red.grading.answers.structure import bare, same, split, with_both_signs
from red.grading.answers.units import disagree, have_other_signs, split_units, without_short_unit
from red.grading.choice import boxed_letter, is_letter
from red.grading.extract import final_text, last_box
from red.grading.verdict import Undecided, Verdict

LENIENT_TAIL = 300
"""Characters at the end of a response without a box that the lenient verdict reads."""

_LONGEST_RAW = 5_000
# Most answers of training: what the steps below would find too, a hundred times as fast.
_WHOLE = re.compile(r"-?[0-9]{1,15}")


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
    if len(box) > _LONGEST_RAW:
        return Verdict(False, False, verdict.REFUSED)
    return compare(gold, box)


@lru_cache(maxsize=16_384)
def is_usable(gold: str) -> bool:
    """Whether a gold holds an answer at all: a letter or digit, balanced braces, no endless text or nesting."""
    if len(gold) > _LONGEST_RAW or nesting(gold) > DEEPEST_NESTING:
        return False
    text = gold_text(gold)
    braces = re.sub(r"\\[{}]", "", text)
    return braces.count("{") == braces.count("}") and any(map(str.isalnum, light(text)))


@lru_cache(maxsize=16_384)
def compare(gold: str, box: str) -> Verdict | Undecided:
    """Strict verdict on the content of a box, or the texts that need symbolic comparison."""
    if _WHOLE.fullmatch(gold) and _WHOLE.fullmatch(box):
        return _settled(int(gold) == int(box))
    reference, prediction = gold_text(gold), plain(box)
    if nesting(prediction) > DEEPEST_NESTING:
        return Verdict(False, False, verdict.REFUSED)
    if not (answer := light(prediction)):
        return Verdict(False, False, verdict.EMPTY_BOX)
    if len(answer) > max(LONGEST_ANSWER, 2 * len(reference)):
        return Verdict(False, False, verdict.REFUSED)
    if light(reference) == answer:
        return _settled(True)
    if (agreed := _same_text(reference, prediction)) is not None:
        return _settled(agreed)
    reference, prediction = unlabelled(reference), unlabelled(prediction)
    ours, theirs = parameter(reference), parameter(prediction)
    if have_other_signs(gold, box) or (ours and theirs and ours[1] != theirs[1]):
        return _settled(False)
    if ours and theirs and ours != theirs:
        prediction = renamed(prediction, theirs[0], ours[0])
    return _compare_values(unremarked(reference), unremarked(prediction))


def _same_text(reference: str, prediction: str) -> bool | None:
    """What letters and words settle: an option, an answer in words, a hedge."""
    if is_letter(reference) and len(light(prediction)) > 1 and (letter := boxed_letter(prediction)):
        return letter == reference
    is_text = in_text_mode(reference) or in_text_mode(prediction)
    agreed = same_words(light(reference), light(unlabelled(prediction)), is_text=is_text)
    if agreed is not None:
        return agreed
    return False if is_hedged(prediction) and not is_hedged(reference) else None


def _compare_values(reference: str, prediction: str) -> Verdict | Undecided:
    """What units, intervals, chains, lists and numbers settle."""
    reference, units = split_units(reference)
    prediction, other_units = split_units(prediction)
    if not any(map(str.isalpha, reference)):
        prediction, short = without_short_unit(prediction)
        other_units |= short
    if disagree(units, other_units):
        return _settled(False)
    if has_relation(reference) or has_relation(prediction):
        ours, theirs = real_set(reference), real_set(prediction)
        if ours is not None and theirs is not None and ours.is_built <= theirs.is_built:
            agreed = same_set(ours, theirs)
            return Undecided(str(ours), str(theirs)) if agreed is None else _settled(agreed)
        if ours is not None and ours.is_wide and not has_relation(prediction) and len(split(prediction)) > 1:
            return _settled(False)
    reference, prediction = with_both_signs(reference), with_both_signs(bare(prediction))
    gold, answer = light(reference), light(prediction)
    if ";" in answer:
        gold = light(reference, is_list=True)
    elif ";" in gold:
        answer = light(prediction, is_list=True)
    agreed = same(gold, answer)
    if agreed is not None:
        return _settled(agreed)
    if "=" not in gold:
        prediction = next((member for member in stated(prediction) if same(gold, light(member)) is None), prediction)
    if is_refused(prediction):
        return Verdict(False, False, verdict.REFUSED)
    return Undecided(reference, prediction)


def _settled(agreed: bool) -> Verdict:
    return Verdict(agreed, agreed, verdict.RIGHT if agreed else verdict.WRONG)
