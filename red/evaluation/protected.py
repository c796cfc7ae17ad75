"""Benchmarks whose problems must not appear in plain text: what a result file may keep of a response."""

from collections.abc import Sequence

from red.grading import verdict
from red.grading.choice import grade_choice
from red.text.template import LETTERS

# Boxes without a letter of an option, by the reason that the grader gives for them.
BOXES = {verdict.UNPARSED: r"\boxed{?}", verdict.EMPTY_BOX: r"\boxed{}", verdict.OUT_OF_RANGE: r"\boxed{Z}"}


def letters_only(response: str, options: Sequence[str]) -> str:
    """The shortest text with the same verdicts and reason as `response`: letters of options only.

    A model repeats the question while it reasons, so the response itself is not kept. An open thought
    becomes `<think>`, a boxed letter the box, a letter that only the lenient rule finds `ANSWER: X`.
    """
    letters = LETTERS[: len(options)]
    verdicts = {letter: grade_choice(response, letter, options) for letter in letters}
    strict = [letter for letter, result in verdicts.items() if result.correct]
    if strict:
        return f"\\boxed{{{strict[0]}}}"
    reason = verdicts[letters[0]].reason
    if reason == verdict.UNCLOSED_THOUGHT:
        return "<think>"
    stated = [f"ANSWER: {letter}" for letter, result in verdicts.items() if result.correct_lenient]
    return "\n".join([*stated, *filter(None, [BOXES.get(reason)])])
