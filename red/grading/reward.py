"""The grader as a reward: the strict verdicts of evaluation, as numbers."""

from collections.abc import Iterable

from red.errors import DataError
from red.grading import verdict
from red.grading.math import grade_math
from red.grading.pool import Grader
from red.grading.verdict import Undecided, Verdict


class RewardJudge:
    """Verdict 1.0 or 0.0 per (response, gold, thought_open).

    Only answers that the cheap steps leave open reach the worker pool, which starts when the first
    one does; a response without a box is wrong and never gets there.
    """

    def __init__(self, workers: int = 1) -> None:
        self.grader = Grader(workers=workers)

    def __enter__(self) -> "RewardJudge":
        self.grader.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.grader.__exit__(*error)

    def __call__(self, cases: Iterable[tuple[str, str, bool]]) -> list[float]:
        """An answer that cannot be parsed is a data error, never a reward."""
        rows = list(cases)
        first = [grade_math(r, g, thought_open=t) for r, g, t in rows]
        hard = [i for i, v in enumerate(first) if isinstance(v, Undecided) and v.boxed]
        asked = ({"response": rows[i][0], "gold": rows[i][1], "thought_open": rows[i][2]} for i in hard)
        settled = dict(zip(hard, self.grader.grade(asked), strict=True)) if hard else {}
        return [self._value(settled.get(i, v), rows[i][1]) for i, v in enumerate(first)]

    def _value(self, found: Verdict | Undecided, gold: str) -> float:
        if isinstance(found, Undecided):
            return 0.0
        if found.reason == verdict.DATA_ERROR:
            raise DataError(f"gold answer {gold!r} cannot be parsed; drop its prompt")
        return float(found.correct)
