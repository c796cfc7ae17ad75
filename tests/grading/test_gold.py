"""Gold answers of data sets: values that are answers, values that are none, golds that nothing compares with."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from red.grading.comparable import unreadable
from red.grading.gold import UnusableGold, answer_of
from red.grading.grader import Grader


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "boolean"),
        (False, "boolean"),
        (math.nan, "number"),
        (-math.inf, "number"),
        ([], "list"),
        (["3", "5"], "list"),
        ({"value": "4", "unit": "cm"}, "structure"),
        ([None], "null"),
        ("", "empty"),
        (" \n", "empty"),
        ("#### ", "empty"),
        (b"4", "type"),
    ],
)
def test_what_is_no_answer_is_refused_by_its_kind(value, kind):
    with pytest.raises(UnusableGold) as error:
        answer_of(value)
    assert error.value.kind == kind and "no answer" in str(error.value)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_its_own_text(value):
    assert float(answer_of(value)) == float(value)
    assert answer_of([value]) == answer_of(value)


@given(st.text(st.characters(categories=("L", "N", "S", "Zs")), min_size=1).map(str.strip).filter(bool))
def test_a_text_without_a_mark_or_a_statement_is_kept(text):
    if "answer" not in text.lower():
        assert answer_of(text) == text


@pytest.mark.parametrize("answer", ["72", "1,000", r"\frac{1}{2}", "$x^2$", "-3.5"])
@pytest.mark.parametrize(
    "frame",
    [
        "#### ANSWER",
        "3 + 4 is 7.\n#### ANSWER\n",
        "The answer is ANSWER.",
        "the answer is: ANSWER",
        r"\text{Answer: } ANSWER",
    ],
)
def test_a_solution_or_a_sentence_gives_the_answer_that_it_states(frame, answer):
    assert answer_of(frame.replace("ANSWER", answer)) == answer


def test_golds_that_no_answer_can_be_compared_with_are_found_and_numbers_start_no_worker():
    with Grader(workers=1, lenient=False) as grader:
        assert unreadable(["4", "-1/2", "3.5"], grader) == set()
        assert not grader._pool._workers
        assert unreadable(["4", "$t(0,4]$", r"\sqrt{2}", "x+1"], grader) == {"$t(0,4]$"}
