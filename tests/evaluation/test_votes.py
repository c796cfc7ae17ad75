"""A majority counts answers, not spellings; a gold that cannot be read is nobody's wrong answer."""

import json

import pyarrow.parquet as pq
import pytest

from red.__main__ import main
from red.errors import DataError
from red.evaluation.benchmarks import Problem
from red.evaluation.catalog import benchmark
from red.evaluation.presentation import Summary, write
from red.evaluation.summary import scores
from red.evaluation.verdicts import grade_answers
from red.evaluation.votes import RIGHT, votes
from red.grading.grader import Grader
from red.plumbing.storage import read_jsonl, write_jsonl
from red.tables.collect import collect

ENTRY = {"source": "embedded", "grader": "math", "metric": "avg_at_k", "samples": 4, "group": "math"}
SPEC = json.dumps({"benchmarks": {"mine": ENTRY}})


@pytest.fixture(scope="module")
def grader():
    with Grader(workers=1) as found:
        yield found


def of(problem, responses, correct, grader):
    [found] = votes([problem], [responses], [correct], grader)
    return found


def boxed(*answers):
    return [f"So \\boxed{{{answer}}}" for answer in answers]


def test_equal_answers_vote_together_however_they_are_spelled(grader):
    spelled = boxed("0.5", r"\frac12", "1/2", r"\frac{2}{4}", "0.6", "x+1", "1+x")
    found = of(Problem("a", "?", None, "7"), spelled, [0] * 7, grader)
    assert len(set(found[:4])) == 1 and len(set(found[5:])) == 1
    assert len(set(found)) == 3


def test_all_right_answers_are_one_vote_and_what_cannot_be_read_has_none(grader):
    responses = [*boxed("7", "7.0"), "7", "", *boxed("", "8", "9" * 1_000)]
    found = of(Problem("a", "?", None, "7"), responses, [1, 1, 0, 0, 0, 0, 0], grader)
    assert found == [RIGHT, RIGHT, None, None, None, "8", None]


def test_problems_do_not_vote_for_each_other(grader):
    problems = [Problem(name, "?", None, "7") for name in "ab"]
    one, other = votes(problems, [boxed("1/2", "2"), boxed("0.5", "0.50")], [[0, 0], [0, 0]], grader)
    assert one[0] != one[1] and other[0] == other[1] != one[0]


def test_letters_are_read_as_the_choice_reads_them(grader):
    problem = Problem("a", "?", ("x", "y", "z"), "B")
    responses = boxed("A", "(A)", "A.", "C", "D", "AC")
    assert of(problem, responses, [0] * 6, grader) == ["A", "A", "A", "C", None, None]


def evaluated(tmp_path, golds, answers):
    """A folder with graded answers to one problem per gold."""
    out = tmp_path / "evaluations" / "base" / "seed0"
    problems = [{"id": id, "question": "?", "options": None, "answer": gold, "extra": {}} for id, gold in golds.items()]
    rows = [
        {"id": id, "index": i, "response": response, "tokens": 5, "finish_reason": "stop"}
        for id in golds
        for i, response in enumerate(boxed(*answers))
    ]
    write_jsonl(tmp_path / "data" / "benchmarks" / "mine.jsonl", problems)
    write_jsonl(out / "mine.generations.jsonl", rows)
    folders = ["--evaluation", str(out), "--benchmarks", str(tmp_path / "data" / "benchmarks"), "--workers", "1"]
    assert main(["grade", "--spec", SPEC, *folders]) == 0
    return out


def test_a_gold_that_cannot_be_read_is_in_no_figure_and_is_reported(tmp_path, capsys):
    """Even where an answer is spelled like the gold."""
    out = evaluated(tmp_path, {"a": "$t(0,4]$", "b": "2"}, ["t(0,4]", "2", "3", "3.0"])
    assert "mine: the gold of a cannot be read; left out of all figures" in capsys.readouterr().err
    grades = list(read_jsonl(out / "mine.grades.jsonl"))
    assert [row["reason"] for row in grades] == ["data_error"] * 4 + ["unparsed", "right", "wrong", "wrong"]
    mine = benchmark("mine", ENTRY)
    problems = [Problem(id, "?", None, gold) for id, gold in (("a", "$t(0,4]$"), ("b", "2"))]
    [score] = scores(out, [(mine, problems)], workers=1)
    assert (score.problems, score.unreadable, score.accuracy.mean, score.unparsed) == (1, 1, 0.25, 0.25)
    assert score.majority == 0.0  # 3 has two votes of four
    write(Summary("title", {}, [score]), tmp_path)
    assert "cannot be read: mine 1." in (tmp_path / "summary.md").read_text()


def test_tables_are_collected_without_it(tmp_path):
    evaluated(tmp_path, {"a": "$t(0,4]$", "b": "2"}, ["2", "3", "4", "5"])
    run = {"run": "base", "method": "base", "seed": 0, "items": [], "steps": 0}
    mine = {"benchmark": "mine", "label": "Mine", "group": "math", "metric": "avg_at_k", "source": "embedded"}
    mine |= {"samples": 4}
    collect({"runs": [run], "benchmarks": [mine], "probes": {}}, tmp_path, tmp_path / "collected")
    table = pq.read_table(tmp_path / "collected" / "scores.parquet")
    assert table["problem"].to_pylist() == ["b"] * 4


def test_a_benchmark_without_a_readable_gold_has_no_score(tmp_path):
    out = evaluated(tmp_path, {"a": "$t(0,4]$"}, ["1", "2", "3", "4"])
    with pytest.raises(DataError, match="no problem has a gold answer that can be read"):
        scores(out, [(benchmark("mine", ENTRY), [Problem("a", "?", None, "$t(0,4]$")])], workers=1)


def test_readable_golds_are_not_announced(tmp_path, capsys):
    out = evaluated(tmp_path, {"a": "1", "b": "2"}, ["1", "2", "3", "4"])
    assert "left out" not in capsys.readouterr().err
    grade_answers(out, [(benchmark("mine", ENTRY), [Problem(id, "?", None, gold) for id, gold in ("a1", "b2")])], 1)
    assert [row["correct"] for row in read_jsonl(out / "mine.grades.jsonl")] == [True, False, False, False] + [
        False,
        True,
        False,
        False,
    ]
