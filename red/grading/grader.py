"""Grade a stream of responses in order, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import tee
from typing import TypeVar

from red.errors import DataError, RedError
from red.grading import verdict
from red.grading.algebra.pool import Job, Pool
from red.grading.choice import grade_choice, is_letter
from red.grading.math import grade_math
from red.grading.verdict import Undecided, Verdict

WINDOW = 256
"""Cases between the oldest unsettled one and the newest one read."""

SHOWN = 60
"""Characters of an answer in a message."""

_REMEMBERED = 65_536
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Case:
    """One response and what it should have said.

    `options` are the texts of a multiple-choice item's options, or how many there are; where the gold is
    no letter but an option's value, the item is graded as mathematics. `thought_open` says that the
    prompt ends inside a thought.
    """

    response: str
    gold: str
    options: int | tuple[str, ...] | None = None
    thought_open: bool = False

    def __post_init__(self) -> None:
        for name, text in (("response", self.response), ("gold", self.gold)):
            if not isinstance(text, str):
                raise DataError(f"{name}: expected a text, found {text!r:.40}")


@dataclass(slots=True)
class Grader:
    """Cheap steps first, then workers; equal comparisons are made once.

    `workers` defaults to the usable cores. With `lenient` False the secondary verdict is left at
    the strict one, so that responses without a box never start a worker (rewards).
    """

    workers: int | None = None
    lenient: bool = True
    _pool: Pool = field(init=False)
    _jobs: dict[Undecided, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = Pool() if self.workers is None else Pool(self.workers)

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; the grader may be used again."""
        self._jobs.clear()
        self._pool.close()

    def grade(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """One verdict per case, in order. At most WINDOW cases are held at a time.

        RedError where the machine, not the answer, kept a comparison from its end: no verdict is made up.
        """
        pending: deque[Verdict | Job] = deque()
        for case in cases:
            pending.append(self._begin(case))
            if self._pool.is_busy:
                self._pool.advance(timeout=0)
            while pending and (len(pending) >= WINDOW or _is_settled(pending[0])):
                yield self._finish(pending.popleft())
        while pending:
            yield self._finish(pending.popleft())

    def grade_rows(self, rows: Iterable[Row], case: Callable[[Row], Case]) -> Iterator[tuple[Row, Verdict]]:
        """Every row with the verdict on `case(row)`; holds no more rows than cases."""
        rows, copies = tee(rows)
        return zip(rows, self.grade(map(case, copies)), strict=False)

    def _begin(self, case: Case) -> Verdict | Job:
        if case.options is not None and is_letter(case.gold):
            return grade_choice(case.response, case.gold, case.options, thought_open=case.thought_open)
        result = grade_math(case.response, case.gold, thought_open=case.thought_open)
        if isinstance(result, Verdict):
            return result
        if not result.boxed and not self.lenient:
            return Verdict(False, False, verdict.NO_BOX)
        if result not in self._jobs:
            if len(self._jobs) >= _REMEMBERED:
                self._jobs.pop(next(iter(self._jobs)))
            self._jobs[result] = self._pool.submit(result)
        return self._jobs[result]

    def _finish(self, outcome: Verdict | Job) -> Verdict:
        if isinstance(outcome, Verdict):
            return outcome
        while outcome.reason is None:
            self._pool.advance()
        if outcome.reason == verdict.NOT_GRADED:
            self._jobs.pop(outcome.question, None)  # whoever asks again gets another try
            raise _not_graded(outcome)
        seconds, outcome.seconds = outcome.seconds, 0.0
        agrees = outcome.reason == verdict.RIGHT
        if outcome.question.boxed:
            return Verdict(agrees, agrees, outcome.reason, seconds)
        return Verdict(False, agrees, verdict.NO_BOX, seconds)


def _not_graded(job: Job) -> RedError:
    question = job.question
    workers = "; ".join(job.lost) or "closed"
    return RedError(
        f"not graded: {question.prediction[:SHOWN]!r} against {question.gold[:SHOWN]!r}: each worker was lost "
        f"({workers}). Nothing was counted; free memory and processors, then start again"
    )


def _is_settled(outcome: Verdict | Job) -> bool:
    return isinstance(outcome, Verdict) or outcome.reason is not None
