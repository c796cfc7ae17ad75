"""`red grade`: verdicts on the answers of an evaluation folder, or on a file of cases."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from red.plumbing.terminal import number
from red.ranges import Processes

if TYPE_CHECKING:
    from red.grading.grader import Case
    from red.grading.verdict import Verdict

HELP = "judge answers: those of an evaluation folder, or a file of cases"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Either what the workflow's rule `grade` passes, or `--cases` with `--out`."""
    folder = parser.add_argument_group("an evaluation")
    folder.add_argument("--evaluation", type=Path, help="folder of <benchmark>.generations.jsonl")
    folder.add_argument("--benchmarks", type=Path, help="folder of <benchmark>.jsonl")
    folder.add_argument("--spec", help='{"benchmarks": {name: {...}}, "workers": n}, JSON')
    cases = parser.add_argument_group("a file of cases")
    cases.add_argument("--cases", type=Path, help="rows with id, response, gold (or answer), options")
    cases.add_argument("--out", type=Path, help="verdicts in the same order")
    cases.add_argument(
        "--kind",
        choices=("math", "choice"),
        help="how all rows are judged; without it, by letter where a row has options and its gold is one",
    )
    parser.add_argument("--workers", type=number(Processes), help="symbolic processes (default: usable cores)")


def run(options: argparse.Namespace) -> int:
    """Grade in one of the two ways; the arguments of the other must be absent."""
    from red.errors import ConfigError

    of_folder = (options.evaluation, options.benchmarks, options.spec)
    of_cases = (options.cases, options.out)
    if None not in of_cases and of_folder == (None, None, None):
        grade_cases(options.cases, options.out, options.kind, options.workers)
    elif None not in of_folder and of_cases == (None, None) and options.kind is None:
        _grade_folder(*of_folder, options.workers)
    else:
        raise ConfigError("give --evaluation, --benchmarks and --spec, or --cases and --out")
    return 0


def grade_cases(path: Path, out: Path, kind: str | None, workers: int | None = None) -> None:
    """One verdict per row of `path`, written to `out` when all are there."""
    from red.grading.grader import Grader
    from red.grading.verdict import DATA_ERROR
    from red.plumbing.checksums import refuse_inputs
    from red.plumbing.storage import numbered_jsonl, write_jsonl

    refuse_inputs(out, (path,))
    numbered = numbered_jsonl(path, ("id", "response"), surrogates=True)
    reasons: Counter[str] = Counter()
    faulty: list[int] = []
    with Grader(workers) as grader:
        graded_rows = grader.grade_rows(numbered, lambda item: _case(item[1], kind, f"{path}: line {item[0]}"))

        def rows() -> Iterator[dict[str, Any]]:
            for (number, row), verdict in graded_rows:
                reasons[verdict.reason] += 1
                if verdict.reason == DATA_ERROR:
                    faulty.append(number)
                yield _row(row["id"], verdict)

        write_jsonl(out, rows())
    print(", ".join(f"{number} {reason}" for reason, number in reasons.most_common()), file=sys.stderr)
    if faulty:
        more = f", nor on {len(faulty) - 1} more" if faulty[1:] else ""
        print(f"{path}: line {faulty[0]}: the gold cannot be read{more}; no answer is right", file=sys.stderr)


def _row(name: str | int, verdict: "Verdict") -> dict[str, Any]:
    return {
        "id": name,
        "correct": verdict.correct,
        "correct_lenient": verdict.correct_lenient,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 6),
    }


def _case(row: dict[str, Any], kind: str | None, where: str) -> "Case":
    """The row's fields, checked; `where` begins every message."""
    from red.errors import DataError
    from red.grading.choice import is_letter
    from red.grading.grader import Case

    for problem in _problems(row, kind):
        raise DataError(f"{where}: {problem}")
    gold: str = row.get("gold", row.get("answer", ""))
    texts, number = row.get("options"), _number_of_options(row)
    by_letter = kind == "choice" or (kind is None and number is not None and is_letter(gold))
    options = tuple(map(str, texts)) if number is not None and isinstance(texts, list) else number
    return Case(row["response"], gold, options if by_letter else None, row.get("thought_open") or False)


def _problems(row: dict[str, Any], kind: str | None) -> Iterator[str]:
    """What is wrong with a row, in words."""
    if "gold" not in row and "answer" not in row:
        yield "missing key 'gold' (or 'answer')"
    if not isinstance(row["id"], str | int) or isinstance(row["id"], bool):
        yield f"id: expected a text or an integer, found {type(row['id']).__name__}"
    for key in ("response", "gold", "answer"):
        if key in row and not isinstance(row[key], str) and not (key == "answer" and "gold" in row):
            yield f"{key}: expected a text, found {type(row[key]).__name__}"
    if not isinstance(row.get("thought_open", False), bool | None):
        yield "thought_open: expected true or false"
    if any(0xD800 <= ord(character) < 0xE000 for character in str(row["id"])):
        yield "id: holds half of a surrogate pair and cannot be written"
    if not isinstance(row.get("options"), list | None) or not _is_count(row.get("n_options", 0)):
        yield "options: expected a list of texts, or as n_options how many there are, at most 26"
    if kind == "choice" and _number_of_options(row) is None:
        yield "missing key 'options' (a list) or 'n_options' (a number from 1 to 26)"


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= 26)


def _number_of_options(row: dict[str, Any]) -> int | None:
    options = row.get("options")
    number = len(options) if isinstance(options, list) else row.get("n_options")
    return number if type(number) is int and 1 <= number <= 26 else None


def _grade_folder(folder: Path, benchmarks: Path, text: str, workers: int | None) -> None:
    from red.errors import DataError
    from red.evaluation.benchmarks import golds
    from red.evaluation.catalog import benchmark
    from red.evaluation.verdicts import GradingSpec, grade_answers
    from red.plumbing.records import from_mapping
    from red.plumbing.storage import argument

    spec = from_mapping(GradingSpec, argument(text), "--spec")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; generate first")
    entries = [benchmark(name, entry) for name, entry in spec.benchmarks.items()]
    problem_sets = [(entry, golds(benchmarks / f"{entry.name}.jsonl", entry.problems)) for entry in entries]
    grade_answers(folder, problem_sets, workers or spec.workers)
