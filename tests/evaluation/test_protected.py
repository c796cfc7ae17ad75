import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from red.__main__ import main
from red.evaluation import standalone
from red.evaluation.benchmarks import Problem, load
from red.evaluation.catalog import benchmark
from red.evaluation.protected import letters_only
from red.grading.choice import grade_choice
from red.models.folder import read_tokenizer
from red.plumbing.storage import dump_json, read_jsonl
from red.sampling.base import Request, Sampling
from red.sampling.response import Response
from red.text.template import LETTERS


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        ("the question again </think> \\boxed{C}", "\\boxed{C}"),
        ("it is \\boxed{\\text{B}} since the question says so", "\\boxed{B}"),
        ("the question again. ANSWER: D", "ANSWER: D"),
        ("the question again", ""),
        ("<think> the question again", "<think>"),
        ("so \\boxed{an option in words}", "\\boxed{?}"),
        ("so \\boxed{an option in words}, the answer is (A)", "ANSWER: A\n\\boxed{?}"),
        ("so \\boxed{}", "\\boxed{}"),
        ("so \\boxed{G}", "\\boxed{Z}"),
    ],
)
def test_only_letters_of_options_are_kept(response: str, kept: str):
    assert letters_only(response, "ABCD") == kept


def test_verdicts_are_the_same_on_real_responses(shared: Path):
    for row in read_jsonl(shared / "grading/mc_cases_dev.jsonl"):
        kept = letters_only(row["response"], LETTERS[: row["n_options"]])
        assert len(kept) < 30
        for gold in "ABCD"[: row["n_options"]] + row["gold"]:
            before, after = (grade_choice(text, gold, row["n_options"]) for text in (row["response"], kept))
            assert (before.correct, before.correct_lenient, before.reason) == (
                after.correct,
                after.correct_lenient,
                after.reason,
            )


class EchoBackend:
    """The worst case: a model that repeats its whole prompt."""

    name = "echo"

    def load(self, checkpoint: Path) -> None:
        pass

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        for index, request in enumerate(requests):
            yield index, Response(list(request.prompt), "length")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("template", ["think", "qwen_boxed"])
def test_no_text_of_gpqa_reaches_a_file_or_a_log(
    byte_checkpoint: Path, shared: Path, tmp_path: Path, template: str, monkeypatch, capfd
):
    monkeypatch.setattr(standalone, "open_backend", lambda name: EchoBackend())
    data = {"data_dir": str(shared / "benchmarks")}
    out, file = tmp_path / "out", tmp_path / "data/gpqa_diamond.jsonl"
    made = ["data", "benchmark", "--name", "gpqa_diamond", "--out", str(file)]
    assert main([*made, "--spec", json.dumps({"source": "gpqa_diamond", **data})]) == 0
    asked = ["evaluate", "--model", str(byte_checkpoint), "--benchmarks", "gpqa_diamond", "--out", str(out)]
    common = ["--data-dir", data["data_dir"], "--template", template, "--max-new-tokens", "8"]
    assert main([*asked, *common]) == 0
    printed = capfd.readouterr()
    written = [path.read_text() for path in (*out.rglob("*"), file) if path.is_file()]
    assert len(written) >= 7
    problems = load(benchmark("gpqa_diamond", data))
    assert leaks("\n".join([*written, printed.out, printed.err]), problems) == []


def leaks(haystack: str, problems: Sequence[Problem]) -> list[str]:
    """Ids (never texts: they would end up in the log of a failure) of problems that can be read."""
    return [problem.id for problem in problems if any(text in haystack for text in readable(problem))]


def readable(problem: Problem) -> Iterator[str]:
    """Texts as they are and as JSON writes them; short ones are numbers that any file may hold."""
    for text in (problem.question, problem.question[:60], *problem.options):
        if len(text) > 12:
            yield from (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def test_the_search_for_texts_would_find_one(shared: Path):
    problems = load(benchmark("gpqa_diamond", {"data_dir": str(shared / "benchmarks")}))
    assert leaks(dump_json({"response": "I read: " + problems[7].question}), problems) == [problems[7].id]


def test_answers_to_gpqa_are_graded_from_letters(shared, tmp_path, byte_checkpoint, monkeypatch):
    class AlwaysC(EchoBackend):
        def generate(self, requests, sampling):
            for index in range(len(requests)):
                yield index, Response([byte_tokens[c] for c in "\\boxed{C}"] + [1], "stop")

    tokenizer = read_tokenizer(byte_checkpoint)
    byte_tokens = {c: tokenizer.token_to_id(c) for c in "\\boxed{C}"}
    monkeypatch.setattr(standalone, "open_backend", lambda name: AlwaysC())
    standalone.evaluate(
        standalone.Options(
            byte_checkpoint,
            "gpqa_diamond",
            tmp_path,
            data_dir=shared / "benchmarks",
            template="qwen_boxed",
            max_new_tokens=16,
        )
    )
    problems = load(benchmark("gpqa_diamond", {"data_dir": str(shared / "benchmarks")}))
    right = sum(problem.answer == "C" for problem in problems)
    grades = list(read_jsonl(tmp_path / "gpqa_diamond.grades.jsonl"))
    assert sum(row["correct"] for row in grades) == right > 0
