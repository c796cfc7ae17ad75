"""Multiple choice: the letter in the last box; failing that, leniently, a stated letter."""

import re

from red.grading import verdict
from red.grading.answers.normalize import light, plain
from red.grading.extract import final_text, last_box
from red.grading.verdict import Verdict

_BOXED_LETTER = re.compile(r"\(?([A-Za-z])(?:\)|[.:)].*)?\.?")
_STATED_LETTER = re.compile(r"(?i:answer\s*:|answer\s+is\s*:?)(?:\\text\{|\\boxed\{|[\s*$({\[])*([A-Z])(?![A-Za-z])")
_LETTER_LINE = re.compile(r"\s*(?i:option\s+)?[*(\[$]*([A-Z])[*)\].$]*\s*")


def is_letter(gold: str) -> bool:
    """Whether a gold names an option by its letter."""
    return len(gold) == 1 and "A" <= gold <= "Z"


def grade_choice(response: str, answer: str, n_options: int, *, thought_open: bool = False) -> Verdict:
    """Strict: the letter in the last box. Lenient: else the last of `ANSWER: X`, `answer is (X)`
    or a final line that is one letter. Letters beyond the options are wrong.
    """
    if not is_letter(answer) or not _is_option(answer, n_options):
        return Verdict(False, False, verdict.DATA_ERROR)
    text = final_text(response, thought_open=thought_open)
    if text is None:
        return Verdict(False, False, verdict.UNCLOSED_THOUGHT)
    box = last_box(text)
    boxed = _BOXED_LETTER.fullmatch(light(plain(box))) if box is not None and len(box) < 1_000 else None
    if boxed is None:
        lenient = _stated_letter(text) == answer
        reason = verdict.NO_BOX if box is None else verdict.UNPARSED if box.strip() else verdict.EMPTY_BOX
        return Verdict(False, lenient, reason)
    letter = boxed[1].upper()
    correct = letter == answer
    reason = verdict.RIGHT if correct else verdict.WRONG
    return Verdict(correct, correct, reason if _is_option(letter, n_options) else verdict.OUT_OF_RANGE)


def _is_option(letter: str, n_options: int) -> bool:
    return ord(letter) - ord("A") < n_options


def _stated_letter(text: str) -> str | None:
    """The letter that a text without a boxed one settles on, the last one if there are several."""
    last_line = text.rstrip().rpartition("\n")[2]
    if len(last_line) < 100 and (alone := _LETTER_LINE.fullmatch(last_line)):
        return alone[1]
    stated = _STATED_LETTER.findall(text)
    return stated[-1] if stated else None
