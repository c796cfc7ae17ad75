"""The grader as a reward: the strict verdicts of evaluation, as numbers."""

from collections.abc import Iterable

from red.errors import DataError
from red.grading.grader import Case, Grader
from red.grading.verdict import DATA_ERROR


class RewardJudge:
    """Verdict 1.0 or 0.0 per (response, gold, thought_open).

    Only answers that the cheap steps leave open reach the worker pool, which starts when the first
    one does; a response without a box is wrong and never gets there.
    """

    def __init__(self, workers: int = 1) -> None:
        self.grader = Grader(workers=workers, lenient=False)

    def __enter__(self) -> "RewardJudge":
        return self

    def __exit__(self, *error: object) -> None:
        self.grader.close()

    def __call__(self, cases: Iterable[tuple[str, str, bool]]) -> list[float]:
        """An answer that cannot be parsed is a data error, never a reward."""
        rows = [Case(response=r, gold=g, thought_open=t) for r, g, t in cases]
        values = []
        for row, verdict in zip(rows, self.grader.grade(rows), strict=True):
            if verdict.reason == DATA_ERROR:
                raise DataError(f"gold answer {row.gold!r} cannot be parsed; drop its prompt")
            values.append(float(verdict.correct))
        return values
