"""The grader as a reward: verdicts of a rule on responses, as numbers.

strict     the last box after the last `</think>`: the strict verdict of evaluation
luffy      LUFFY's: the text between the first `</think>` and the next one; its last box, else its last 300 characters
anywhere   the last box of the whole response, its thought included

Where no thought was opened, all of the response is read, by each rule. A thought that never ends earns nothing by the
first two.
"""

from collections.abc import Callable, Iterable, Mapping

from red.errors import ConfigError, DataError
from red.grading.grader import Case, Grader
from red.grading.verdict import DATA_ERROR

OPENING, CLOSING = "<think>", "</think>"


def first_solution(response: str, thought_open: bool) -> str | None:
    """What LUFFY reads: the text between the first and the second closing tag; None without a closing one."""
    before, closing, after = response.partition(CLOSING)
    if closing:
        return after.partition(CLOSING)[0]
    return None if thought_open or OPENING in before else response


def _strict(response: str, thought_open: bool) -> tuple[str, bool]:
    return response, thought_open


def _luffy(response: str, thought_open: bool) -> tuple[str, bool]:
    text = first_solution(response, thought_open)
    # The grader reads nothing of a thought that stays open, which is what None asks for.
    return ("", True) if text is None else (text.replace(OPENING, ""), False)


def _anywhere(response: str, thought_open: bool) -> tuple[str, bool]:
    return response.replace(CLOSING, " ").replace(OPENING, " "), False


RULES: Mapping[str, Callable[[str, bool], tuple[str, bool]]] = {
    "strict": _strict,
    "luffy": _luffy,
    "anywhere": _anywhere,
}
"""What a rule gives the grader for a response: a text, and whether it is inside a thought."""


class RewardJudge:
    """Verdict 1.0 or 0.0 per (response, gold, thought_open), by one of RULES.

    Only answers that the cheap steps leave open reach the worker pool, which starts when the first
    one does; by a rule that asks for a box, a response without one is wrong and never gets there.
    """

    def __init__(self, workers: int = 1, rule: str = "strict") -> None:
        if rule not in RULES:
            raise ConfigError(f"rule: {rule!r} is not one of {', '.join(RULES)}")
        self.read, self.lenient = RULES[rule], rule == "luffy"
        self.grader = Grader(workers=workers, lenient=self.lenient)

    def __enter__(self) -> "RewardJudge":
        return self

    def __exit__(self, *error: object) -> None:
        self.grader.close()

    def __call__(self, cases: Iterable[tuple[str, str, bool]]) -> list[float]:
        """An answer that cannot be parsed is a data error, never a reward."""
        texts = ((*self.read(response, opened), gold) for response, gold, opened in cases)
        rows = [Case(text, gold, thought_open=opened) for text, opened, gold in texts]
        values = []
        for row, verdict in zip(rows, self.grader.grade(rows), strict=True):
            if verdict.reason == DATA_ERROR:
                raise DataError(f"gold answer {row.gold!r} cannot be parsed; drop its prompt")
            values.append(float(verdict.correct_lenient if self.lenient else verdict.correct))
        return values
