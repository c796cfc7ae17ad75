import json
import random
import subprocess
import sys

import pytest

from red.grading import verdict
from red.grading.answers.normalize import gold_text
from red.grading.math import compare, grade_math
from red.grading.verdict import Undecided, Verdict


def reason(response: str, gold: str, **options) -> str:
    found = grade_math(response, gold, **options)
    return found.reason if isinstance(found, Verdict) else "undecided"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "5"),
        ("5", "x=5"),
        ("x=5", "5"),
        ("5", r"\text{The answer is } 5"),
        ("5", r"5\text{ cm}"),
        (r"15\mbox{ cm}^2", "15"),
        (r"36\sqrt{7}cm^{3}", r"36\sqrt{7}"),
        ("5", "5 m/s"),
        ("50", r"50\%"),
        ("0.5", r"50\%"),
        (r"\frac{7}{3}", r"2\frac{1}{3}"),
        (r"\frac14", "0.25"),
        ("3.83e35", r"3.83 \times 10^{35}"),
        ("142.0", "142"),
        ("073", "73"),
        ("5,1", r"1\text{ and }5"),
        ("1,2,3", "(1,2,3)"),
        (r"\{2,3,5\}", r"\{5,3,2\}"),
        ("3,-3", r"\pm 3"),
        (r"1\pm\sqrt{19}", r"1-\sqrt{19},1+\sqrt{19}"),
        ("-2,-2", "a=-2,b=-2"),
        ("5", r"\{5\}"),
        ("(1,2),(3,4)", "(3,4),(1,2)"),
        ("[0,1)", r"x \in [0,1)"),
        ("2516_8", "2516_{8}"),
        (r"\text{(C)}", "C"),
        ("9" * 1000, "9" * 1000),
        ("E_{1},E_{2}", "E_1, E_2"),
        ("5", r"\boxed{5}"),
        ("5", "((5))"),
    ],
)
def test_cheap_steps_accept(gold, answer):
    assert reason(f"\\boxed{{{answer}}}", gold) == verdict.RIGHT


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "6"),
        ("2.88e-19", r"2.97\times 10^{-19}"),
        ("0.0000001", "0.0000002"),
        ("1000000", "1000000.4"),
        (r"\frac{1}{3}", "0.333333"),
        ("100", "1"),
        ("1234", "1.234"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "[1,2]"),
        ("[2,3)", "(2,3]"),
        ("2,2", "2"),
        ("204", "x=204, x=205"),
        ("16,3,1,1", "16,3,3,1"),
        ("E", "e"),
        ("10", "10_2"),
        (r"\Delta", r"\delta"),
        ("(1,2)", "-(1,2)"),
        (r"5\text{ cm}", r"5\text{ km}"),
        ("42", "1,2,3,42"),
        (r"(1,2)", r"\{1,2\}"),
    ],
)
def test_cheap_steps_refuse(gold, answer):
    assert reason(f"\\boxed{{{answer}}}", gold) == verdict.WRONG


def test_each_way_of_not_answering_has_its_reason():
    assert reason("", "5") == verdict.NO_BOX
    assert reason(r"\boxed{ \, }", "5") == verdict.EMPTY_BOX
    assert reason(r"<think>\boxed{5}", "5") == verdict.UNCLOSED_THOUGHT
    assert reason(r"\boxed{5}", "5", thought_open=True) == verdict.UNCLOSED_THOUGHT
    assert reason(r"</think>\boxed{5}", "5", thought_open=True) == verdict.RIGHT
    assert reason(r"\boxed{" + "1" * 2000 + "}", "5") == verdict.REFUSED
    assert reason(r"\boxed{" + r"\{" * 200 + "1,2" + r"\}" * 200 + "}", "5") == verdict.REFUSED


@pytest.mark.parametrize("gold", ["", "$$", "  ", "\\frac{", "?", "\u200b"])
def test_a_gold_without_an_answer_is_a_data_error_and_never_right(gold):
    assert reason(f"\\boxed{{{gold}}}", gold) == verdict.DATA_ERROR


def test_what_needs_algebra_is_undecided():
    assert grade_math(r"\boxed{(x+1)^2}", "x^2+2x+1") == Undecided("x^2+2x+1", "(x+1)^2")


def test_a_response_without_a_box_is_open_only_leniently():
    assert grade_math("The answer is 42.", "42") == Undecided("42", "The answer is 42.", boxed=False)


def test_letters_behind_a_number_are_units_only_where_the_gold_has_none():
    assert reason(r"\boxed{2}", "$2s$") == verdict.WRONG
    assert reason(r"\boxed{2 s}", "2") == verdict.RIGHT
    assert reason(r"\boxed{5 \text{ million}}", "5") == verdict.WRONG


def test_cheap_grading_imports_neither_math_verify_nor_torch():
    program = (
        "import sys; from red.grading.grader import Case, Grader; grader = Grader(lenient=False);"
        r"verdicts = list(grader.grade([Case('\\boxed{7}', '7'), Case('7', '7')]));"
        "assert [v.correct for v in verdicts] == [True, False];"
        "assert not {'math_verify', 'sympy', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "dress",
    ["{}", "${}$", r"\displaystyle {}", "{{{}}}", "{}.", r"\text{{The answer is }} {}", r"\boxed{{{}}}", "\n{} "],
)
def test_every_gold_of_the_benchmarks_is_right_in_any_dress(shared, dress):
    rows = [
        json.loads(line)
        for name in ("aime24", "aime25", "amc", "math500", "minerva", "olympiad")
        for line in (shared / "benchmarks" / f"{name}.jsonl").read_text().splitlines()
    ]
    answers = [(row["answer"], dress.format(gold_text(row["answer"]))) for row in rows]
    missed = [gold for gold, answer in answers if reason(f"\\boxed{{{answer}}}", gold) != verdict.RIGHT]
    assert missed == []


@pytest.mark.parametrize("gold", [r"\approx ", r"\quad ", r"^\circ", r"\text{ }"])
def test_a_gold_that_says_nothing_is_a_data_error(gold):
    assert grade_math(r"\boxed{5}", gold).reason == verdict.DATA_ERROR


def test_whole_numbers_are_settled_at_once_as_the_steps_would():
    """Dollar signs around a number send it through all of them."""
    source = random.Random(0)
    sizes = [10 ** source.choice((1, 2, 5, 13)) for _ in range(60)]
    numbers = [f"{source.choice(('', '', '-', '0'))}{source.randrange(size)}" for size in sizes]
    for gold in numbers:
        for box in [gold, f"0{gold}", *source.sample(numbers, 5)]:
            at_once, by_steps = compare(gold, box), compare(gold, f"${box}$")
            assert at_once == by_steps, (gold, box)
