"""Verdicts on the answers of an evaluation folder: `<benchmark>.generations.jsonl` -> `.grades.jsonl`."""

import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.errors import ConfigError, DataError
from red.escape import terminal
from red.evaluation.benchmarks import Problem, missing
from red.evaluation.catalog import Benchmark
from red.grading.choice import is_letter
from red.grading.comparable import unreadable
from red.grading.grader import Case, Grader
from red.grading.verdict import DATA_ERROR, Verdict
from red.plumbing.roll_call import RollCall
from red.plumbing.storage import numbered_jsonl, write_jsonl
from red.ranges import Processes

SHOWN = 5  # problems that one line names
FIELDS = ("id", "index", "response", "tokens", "finish_reason")


@dataclass(frozen=True)
class GradingSpec:
    """What `red grade` is told: entries of the configuration's benchmarks, and processes (default: usable cores)."""

    benchmarks: Mapping[str, Any]
    workers: Processes | None = None

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise ConfigError("benchmarks: name at least one")


def grade_answers(
    folder: Path, benchmarks: Sequence[tuple[Benchmark, Sequence[Problem]]], workers: int | None = None
) -> None:
    """Grade every answer of these benchmarks; each grades file appears only when it is whole.

    A benchmark without answers, because it could not be had, leaves one row that says so. Answers to a problem whose
    gold cannot be read get no verdict but `data_error`, which no figure counts: the fault is the benchmark's.
    """
    with Grader(workers=workers) as grader:
        for benchmark, problems in benchmarks:
            path = folder / f"{benchmark.name}.generations.jsonl"
            reason = None if problems else missing(path)
            faulty = _without_gold(problems, grader)
            if faulty:
                message = f"the gold of {_some(faulty)} cannot be read; left out of all figures"
                print(terminal(f"{benchmark.name}: {message}"), file=sys.stderr)
            own = {problem.id: problem for problem in problems}
            rows = _grades(_answers(path, own, benchmark.samples), own, faulty, grader)
            rows = rows if reason is None else iter([{"missing": reason}])
            write_jsonl(folder / f"{benchmark.name}.grades.jsonl", rows)


def _without_gold(problems: Sequence[Problem], grader: Grader) -> list[str]:
    """Ids of the problems whose gold answer no response can be compared with."""
    compared = [problem for problem in problems if problem.options is None or not is_letter(problem.answer)]
    broken = unreadable((problem.answer for problem in compared), grader)
    return [problem.id for problem in compared if problem.answer in broken]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


def _grades(
    answers: Iterable[dict[str, Any]], problems: dict[str, Problem], faulty: Container[str], grader: Grader
) -> Iterator[dict[str, Any]]:
    for row, graded in grader.grade_rows(answers, lambda row: _case(row, problems)):
        found = Verdict(False, False, DATA_ERROR) if row["id"] in faulty else graded
        yield {
            "id": row["id"],
            "index": row["index"],
            "correct": found.correct,
            "correct_lenient": found.correct_lenient,
            "reason": found.reason,
            "tokens": row["tokens"],
            "truncated": row["finish_reason"] == "length",
        }


def _answers(path: Path, ids: Iterable[str], samples: int) -> Iterator[dict[str, Any]]:
    """Answers one by one, so that a file of any size fits into memory: every sample of every problem, once each."""
    ordered = RollCall(path, ids, samples, "generate again")
    for number, row in numbered_jsonl(path, FIELDS):
        if not isinstance(row["id"], str) or not isinstance(row["response"], str):
            raise DataError(f"{path}: line {number}: id and response must be texts")
        ordered.tick(row["id"], row["index"])
        yield row
    ordered.finish()


def _case(row: dict[str, Any], problems: dict[str, Problem]) -> Case:
    """The response holds the thought that its prompt opened, so nothing more is said about it here."""
    problem = problems[row["id"]]
    return Case(row["response"], problem.answer, problem.options)
