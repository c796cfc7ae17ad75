"""Scores of one checkpoint on its benchmarks, with both kinds of error, from verdicts on disk."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from red.errors import DataError
from red.evaluation.benchmarks import Problem, subset
from red.evaluation.catalog import Benchmark, parts
from red.evaluation.votes import votes
from red.grading import verdict
from red.grading.grader import Grader
from red.plumbing.storage import read_jsonl
from red.seeds import derive
from red.statistics import intervals, metrics
from red.statistics.intervals import Errors, Interval

READABLE = frozenset({verdict.RIGHT, verdict.WRONG, verdict.OUT_OF_RANGE})
FEWEST = 10  # problems; fewer, drawn again and again, are no sample of others
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Verdicts on one benchmark as matrices [problems, samples], and the answers that were read."""

    correct: Matrix
    lenient: Matrix
    tokens: Matrix
    truncated: Matrix
    unparsed: Matrix
    votes: Sequence[Sequence[str | None]]
    reasons: Mapping[str, int]
    unreadable: int = 0


@dataclass(frozen=True)
class Score:
    """One line of the summary. Shares in [0, 1], lengths in tokens.

    `accuracy` is the strict mean over all samples with its 95 % interval over problems, NaN where resampling them says
    nothing: of fewer than `FEWEST`, and of such as all came out alike. `first` counts the first sample only; `pass_at`
    holds unbiased pass@k for k = 2, 4, 8, ... up to the samples; `unparsed` is the share without a readable answer (it
    counts as wrong). `unreadable` problems, whose gold cannot be read, are in none of these figures.
    """

    benchmark: str
    label: str
    group: str
    metric: str
    problems: int
    samples: int
    accuracy: Interval
    errors: Errors
    first: float
    lenient: float
    majority: float
    pass_at: Mapping[str, float]
    length: float
    length_right: float
    length_wrong: float
    truncated: float
    unparsed: float
    reasons: Mapping[str, int]
    unreadable: int = 0
    is_part: bool = False


def scores(
    folder: Path, benchmarks: Sequence[tuple[Benchmark, Sequence[Problem]]], workers: int | None = None
) -> list[Score]:
    """One score per benchmark, each followed by the subsets of it that the catalog knows."""
    results = []
    with Grader(workers=workers) as grader:
        for benchmark, problems in benchmarks:
            results.append(score(benchmark, read_answers(folder, benchmark, problems, grader)))
            for part in parts(benchmark.name):
                if part_problems := subset(problems, part.where):
                    answers = read_answers(folder, benchmark, part_problems, grader)
                    results.append(score(part, answers, is_part=True))
    return results


def read_answers(folder: Path, benchmark: Benchmark, problems: Sequence[Problem], grader: Grader) -> Answers:
    """The verdicts and answers of some problems, without those whose gold cannot be read. DataError names what is
    missing."""
    path = folder / f"{benchmark.name}.grades.jsonl"
    grades = {(row["id"], row["index"]): row for row in read_jsonl(path, ("id", "index", "correct"))}
    responses = {
        (row["id"], row["index"]): row["response"]
        for row in read_jsonl(folder / f"{benchmark.name}.generations.jsonl", ("id", "index", "response"))
    }
    asked = [(problem.id, index) for problem in problems for index in range(benchmark.samples)]
    if missing := [key for key in asked if key not in grades or key not in responses]:
        raise DataError(f"{path}: no verdict on {missing[0][0]}, sample {missing[0][1]}; grade it again")
    faulty = {id for id, index in asked if grades[id, index]["reason"] == verdict.DATA_ERROR}
    judged = [problem for problem in problems if problem.id not in faulty]
    if not judged:
        raise DataError(f"{path}: no problem has a gold answer that can be read")
    keys = [[(problem.id, index) for index in range(benchmark.samples)] for problem in judged]

    def matrix(field: str) -> Matrix:
        return np.array([[float(grades[key][field]) for key in row] for row in keys])

    reasons = Counter(grades[key]["reason"] for row in keys for key in row)
    correct = matrix("correct")
    return Answers(
        correct=correct,
        lenient=matrix("correct_lenient"),
        tokens=matrix("tokens"),
        truncated=matrix("truncated"),
        unparsed=np.array([[float(grades[key]["reason"] not in READABLE) for key in row] for row in keys]),
        votes=votes(judged, [[responses[key] for key in row] for row in keys], correct.tolist(), grader),
        reasons=dict(sorted(reasons.items())),
        unreadable=len(faulty),
    )


def score(benchmark: Benchmark, answers: Answers, is_part: bool = False) -> Score:
    """All figures of one benchmark. The interval's resamples depend on its name only."""
    correct = answers.correct
    rng = np.random.default_rng(derive(0, "interval", benchmark.name))
    return Score(
        benchmark=benchmark.name,
        label=benchmark.title,
        group=benchmark.group,
        metric=benchmark.metric,
        problems=correct.shape[0],
        samples=correct.shape[1],
        accuracy=_interval(correct.mean(1), rng),
        errors=intervals.standard_errors(correct),
        first=metrics.first_pass_at_1(correct),
        lenient=metrics.avg_at_k(answers.lenient),
        majority=metrics.majority_at_k(answers.votes, correct),
        pass_at={str(k): metrics.pass_at_k(correct, k) for k in _powers_of_two(correct.shape[1])},
        length=metrics.mean_length(answers.tokens),
        length_right=metrics.mean_length_where(answers.tokens, correct),
        length_wrong=metrics.mean_length_where(answers.tokens, 1 - correct),
        truncated=metrics.share(answers.truncated),
        unparsed=metrics.share(answers.unparsed),
        reasons=answers.reasons,
        unreadable=answers.unreadable,
        is_part=is_part,
    )


def _interval(accuracies: Matrix, rng: np.random.Generator) -> Interval:
    found = intervals.mean_interval(accuracies, rng)
    if len(accuracies) < FEWEST or found.low == found.high:
        return Interval(found.mean, math.nan, math.nan)
    return found


def overall(results: Sequence[Score], group: str) -> float | None:
    """Unweighted mean accuracy over a group's benchmarks, subsets left out; None if it has none."""
    accuracies = [s.accuracy.mean for s in results if s.group == group and not s.is_part]
    return float(np.mean(accuracies)) if accuracies else None


def _powers_of_two(limit: int) -> list[int]:
    return [2**i for i in range(1, limit.bit_length()) if 2**i <= limit]
