import json

import pytest

from red.grading import verdict
from red.grading.choice import grade_choice


@pytest.mark.parametrize("box", ["C", r"\text{C}", "(C)", r"\textbf{(C)}", "C.", "c", "C) 42", "(C) Paris"])
def test_the_letter_in_the_box_counts(box):
    assert grade_choice(f"so \\boxed{{{box}}}", "C", 4).correct


def test_the_last_box_counts():
    assert not grade_choice(r"\boxed{C} or rather \boxed{B}", "C", 4).correct


@pytest.mark.parametrize(
    "response",
    [
        "ANSWER: C",
        "The answer is (C).",
        "The answer is B. No, the answer is C",
        "I think\n**C**",
        "the final answer is: C",
        "so\nOption C.",
        "answer is $\\text{C}$",
    ],
)
def test_a_stated_letter_is_right_only_leniently(response):
    found = grade_choice(response, "C", 4)
    assert (found.correct, found.correct_lenient, found.reason) == (False, True, verdict.NO_BOX)


@pytest.mark.parametrize(
    "response",
    [
        "The answer is a common one",
        "The answer is (None of the above)",
        "vitamin C helps",
        "I cannot tell",
        "the answer is (A), not (C)",
        "",
        "C" * 100,
    ],
)
def test_no_letter_is_guessed(response):
    assert not grade_choice(response, "C", 4).correct_lenient


def test_a_letter_beyond_the_options_is_wrong():
    found = grade_choice(r"\boxed{F}", "C", 4)
    assert (found.correct, found.correct_lenient, found.reason) == (False, False, verdict.OUT_OF_RANGE)


def test_an_answer_beyond_the_options_is_a_data_error():
    assert grade_choice(r"\boxed{F}", "F", 4).reason == verdict.DATA_ERROR


def test_a_box_without_a_letter_leaves_the_lenient_rule():
    found = grade_choice(r"\boxed{42}. The answer is (C)", "C", 4)
    assert (found.correct, found.correct_lenient, found.reason) == (False, True, verdict.UNPARSED)


def test_an_open_thought_is_wrong_either_way():
    assert grade_choice(r"<think>\boxed{C}", "C", 4).reason == verdict.UNCLOSED_THOUGHT


def test_recorded_verdicts_of_five_models_are_met(shared):
    lines = (shared / "grading" / "mc_cases_dev.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    agreed = [
        grade_choice(row["response"], row["gold"], row["n_options"]).correct_lenient == row["recorded_verdict"]
        for row in rows
    ]
    assert sum(agreed) / len(agreed) >= 0.995
