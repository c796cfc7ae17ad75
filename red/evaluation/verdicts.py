"""Verdicts on the answers of an evaluation folder: `<benchmark>.generations.jsonl` -> `.grades.jsonl`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.evaluation.benchmarks import Problem, missing
from red.evaluation.catalog import Benchmark
from red.grading.grader import Case, Grader
from red.plumbing.storage import numbered_jsonl, write_jsonl

FIELDS = ("id", "index", "response", "tokens", "finish_reason")


def grade_answers(
    folder: Path, benchmarks: Sequence[tuple[Benchmark, Sequence[Problem]]], workers: int | None = None
) -> None:
    """Grade every answer of these benchmarks; each grades file appears only when it is whole.

    A benchmark without answers, because it could not be had, leaves one row that says so.
    """
    with Grader(workers=workers) as grader:
        for benchmark, problems in benchmarks:
            path = folder / f"{benchmark.name}.generations.jsonl"
            reason = missing(path)
            absent = [] if reason is None else [{"missing": reason}]
            rows = absent or _grades(path, {problem.id: problem for problem in problems}, grader)
            write_jsonl(folder / f"{benchmark.name}.grades.jsonl", rows)


def _grades(path: Path, problems: dict[str, Problem], grader: Grader) -> Iterator[dict[str, Any]]:
    for row, verdict in grader.grade_rows(_answers(path, problems), lambda row: _case(row, problems)):
        yield {
            "id": row["id"],
            "index": row["index"],
            "correct": verdict.correct,
            "correct_lenient": verdict.correct_lenient,
            "reason": verdict.reason,
            "tokens": row["tokens"],
            "truncated": row["finish_reason"] == "length",
        }


def _answers(path: Path, problems: dict[str, Problem]) -> Iterator[dict[str, Any]]:
    """Answers one by one, so that a file of any size fits into memory."""
    for number, row in numbered_jsonl(path, FIELDS):
        if not isinstance(row["id"], str) or not isinstance(row["response"], str):
            raise DataError(f"{path}: line {number}: id and response must be texts")
        if row["id"] not in problems:
            raise DataError(f"{path}: {row['id']!r} is not a problem of the benchmark; generate again")
        yield row


def _case(row: dict[str, Any], problems: dict[str, Problem]) -> Case:
    """The response holds the thought that its prompt opened, so nothing more is said about it here."""
    problem = problems[row["id"]]
    return Case(row["response"], problem.answer, problem.options)
