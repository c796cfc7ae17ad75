"""Benchmarks whose problems must not appear in plain text: what a result file may keep of a response."""

import string


def letters_only(response: str, options: int) -> str:
    """The shortest text with the same verdicts as `response`, made of letters of options only.

    A model repeats the question while it reasons, so the response itself is not kept: an open thought
    becomes `<think>`, a boxed letter the box, a letter only the lenient rule finds `ANSWER: X`.
    """
    from red.grading.choice import grade_choice
    from red.grading.verdict import UNCLOSED_THOUGHT

    letters = string.ascii_uppercase[:options]
    verdicts = {letter: grade_choice(response, letter, options) for letter in letters}
    if any(verdict.reason == UNCLOSED_THOUGHT for verdict in verdicts.values()):
        return "<think>"
    strict = [letter for letter, verdict in verdicts.items() if verdict.correct]
    lenient = [letter for letter, verdict in verdicts.items() if verdict.correct_lenient]
    if strict:
        return f"\\boxed{{{strict[0]}}}"
    return f"ANSWER: {lenient[0]}" if lenient else ""
