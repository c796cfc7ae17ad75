import itertools
import json
import time

import pytest

from red.grading import grader as grader_module
from red.grading import verdict
from red.grading.grader import Case, Grader


def rows(path):
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x^2+2x+1", "(x+1)^2"),
        (r"\frac{\sqrt{17}}{17}", r"\frac{1}{\sqrt{17}}"),
        ("(1,3)", "1<x<3"),
        ("6", "3!"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
        ("f(x)=2x", "2x"),
        (r"\frac{37}{4} m", r"\frac{37m}{4}"),
        (r"\lambda_{\text {red}} / \sqrt{2}", r"\frac{\lambda_{\text{red}}}{\sqrt{2}}"),
        (r"ce^{t}", r"Ce^{t}"),
        ("2x+3y=6", "4x+6y=12"),
        (r"1", r"\sin^2 x+\cos^2 x"),
        ("N=n", "n=N"),
    ],
)
def test_algebra_accepts(judge, gold, answer):
    assert judge(gold, answer).reason == verdict.RIGHT


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\pi", "3.141593"),
        ("12", "1 2"),
        ("10^{100}+1", "10^{100}"),
        ("x-1", "1-x"),
        ("n^2+1", "m^2+1"),
        ("4t", "4"),
        ("$2s$", "2"),
        (r"\frac{37}{4} m", r"\frac{37}{4}"),
        (r"\frac{M}{m}", "1"),
        ("N=n", "N=n+1"),
        ("5", r"\le 5"),
        ("5", r"\neg 5"),
        ("16", r"16 \neq 17"),
        (r"\infty", r"\frac{1}{0}"),
        (r"\infty", r"-\infty"),
        ("0", r"\text{None}"),
        ("5", "NaN"),
        ("5", r"5\text{ million}"),
        (r"\frac{7}{3}", r"2\cdot\frac{1}{3}"),
        (r"\sqrt{2}\cdot x", "1.414214x"),
    ],
)
def test_algebra_refuses(judge, gold, answer):
    assert not judge(gold, answer).correct


def test_a_gold_that_does_not_parse_is_a_data_error(judge):
    assert judge("$t(0,4]$", "6").reason == verdict.DATA_ERROR


def test_verdicts_keep_the_order_of_the_cases(grader):
    golds = [f"x^{{{n}}}+1" if n % 2 else str(n) for n in range(30)]
    answers = [f"1+x^{{{n}}}" if n % 2 else str(n + n % 4) for n in range(30)]
    verdicts = grader.grade([Case(f"\\boxed{{{a}}}", g) for g, a in zip(golds, answers, strict=True)])
    assert [v.correct for v in verdicts] == [bool(n % 2) or n % 4 == 0 for n in range(30)]


def test_equal_comparisons_are_made_once(grader):
    cases = [Case(r"\boxed{(y+1)(y-1)}", "y^2-1")] * 50
    verdicts = list(grader.grade(cases))
    assert all(v.correct for v in verdicts)
    assert sum(v.seconds > 0 for v in verdicts) == 1


def test_cases_are_read_no_further_than_the_window(grader, monkeypatch):
    monkeypatch.setattr(grader_module, "WINDOW", 4)
    read = itertools.count()
    cases = (Case(r"\boxed{\sin(z+" + str(next(read)) + ")}", r"\sin z") for _ in range(40))
    for position, _ in enumerate(grader.grade(cases), start=1):
        consumed = int(repr(read)[6:-1])
        assert consumed <= position + 4


def test_rows_come_back_with_their_verdicts(grader):
    graded = grader.grade_rows(iter(["1", "2"]), lambda row: Case(r"\boxed{1}", row))
    assert [(row, found.correct) for row, found in graded] == [("1", True), ("2", False)]


def test_without_the_lenient_figure_no_worker_starts():
    with Grader(workers=1, lenient=False) as rewards:
        verdicts = list(rewards.grade([Case("the answer is 7", "7"), Case(r"\boxed{7}", "7")]))
        assert [(v.correct, v.correct_lenient) for v in verdicts] == [(False, False), (True, True)]
        assert not rewards._pool._workers


def test_the_lenient_figure_reads_the_end_of_a_response_without_a_box(grader):
    found = next(grader.grade([Case("So after simplifying, the answer is 42.", "42")]))
    assert (found.correct, found.correct_lenient, found.reason) == (False, True, verdict.NO_BOX)


def test_a_choice_by_letter_and_a_choice_by_value(grader):
    by_letter = Case(r"\boxed{\text{B}}", "B", options=4)
    by_value = Case(r"\boxed{17}", "17", options=4)
    assert [v.correct for v in grader.grade([by_letter, by_value])] == [True, True]


def test_agreement_with_reviewed_labels(grader, shared):
    labeled = [row for row in rows(shared / "grading" / "cases_dev.jsonl") if row["strict_label"] is not None]
    verdicts = list(grader.grade(Case(row["response"], row["gold"]) for row in labeled))
    pairs = [(row["strict_label"], found.correct) for row, found in zip(labeled, verdicts, strict=True)]
    assert sum(label == found for label, found in pairs) / len(pairs) >= 0.995
    assert sum(found and not label for label, found in pairs) == 0


def test_hostile_responses_are_survived_and_judged(grader, shared):
    hostile = rows(shared / "grading" / "hostile_dev.jsonl")
    verdicts = list(grader.grade(Case(row["response"], row["gold"]) for row in hostile))
    judged = [(row, v) for row, v in zip(hostile, verdicts, strict=True) if row["strict_expected"] is not None]
    assert sum(row["strict_expected"] != v.correct for row, v in judged) <= 2
    assert max(v.seconds for v in verdicts) < 8
    assert next(grader.grade([Case(r"\boxed{b+a}", "a+b")])).correct


def test_a_cheap_verdict_takes_microseconds():
    with Grader(lenient=False) as rewards:
        cases = [Case(f"2+4=6+{n}=. \\boxed{{{n % 100}}}", "42") for n in range(2000)]
        list(rewards.grade(cases))
        started = time.process_time()
        list(rewards.grade(cases))
        assert (time.process_time() - started) / len(cases) < 200e-6
