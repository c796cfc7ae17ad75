"""Right answers stay right and wrong ones wrong, however they are written and dressed."""

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from red.grading.choice import grade_choice
from red.grading.extract import LONGEST_RESPONSE
from red.grading.math import compare, grade_math, is_usable
from tests.grading.properties import DRESSES, NUMBERS, UNITS, VALUES, Number, decided, written

few = settings(deadline=None, max_examples=20)
dress = st.sampled_from(DRESSES)
unit = st.sampled_from(UNITS)


@few
@given(NUMBERS, dress)
def test_a_right_number_stays_right_in_any_notation_and_dress(number: Number, dress: str):
    assert decided(number.gold, dress.format(number.answer))


@few
@given(NUMBERS, VALUES, st.data(), dress, unit)
def test_a_wrong_number_never_becomes_right(
    number: Number, other: Fraction, data: st.DataObject, dress: str, unit: str
):
    assume(other != number.value)
    assert decided(number.gold, dress.format(data.draw(written(other)) + unit)) is not True


@few
@given(
    NUMBERS,
    st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 10), Fraction(10), Fraction(100)]),
    st.data(),
    dress,
)
def test_a_near_miss_never_becomes_right(number: Number, change: Fraction, data: st.DataObject, dress: str):
    near = number.value + change if abs(change) == 1 else number.value * change
    assume(near != number.value)
    assert decided(number.gold, dress.format(data.draw(written(near)))) is not True


@few
@given(NUMBERS, unit, dress)
def test_a_unit_may_be_added_and_left_out(number: Number, unit: str, dress: str):
    assert decided(number.gold + unit, number.answer + unit)
    assert decided(number.gold + unit, number.answer)
    assert decided(number.gold, number.answer + unit)


@few
@given(st.lists(NUMBERS, min_size=2, max_size=4, unique_by=lambda number: number.value), st.randoms(), unit, st.data())
def test_a_list_has_no_order_and_its_elements_may_have_units(numbers, random, unit, data):
    separator = data.draw(st.sampled_from([", ", r",\ ", "; ", r" \text{ and } ", "、"]))
    gold = ", ".join(number.gold for number in numbers)
    answers = [number.answer + unit for number in numbers]
    random.shuffle(answers)
    assert decided(gold, separator.join(answers))
    assert decided(gold, separator.join(answers[1:])) is not True
    assert decided(gold, separator.join([*answers, "31415926"])) is not True
    assert decided(numbers[0].gold, separator.join(answers)) is not True


@few
@given(st.lists(st.integers(100, 999), min_size=2, max_size=3))
def test_a_list_of_three_digit_numbers_is_no_large_number(numbers):
    listed, joined = ", ".join(map(str, numbers)), "".join(map(str, numbers))
    assert decided(listed, ", ".join(map(str, reversed(numbers))))
    assert decided(listed, joined) is False
    assert decided(joined, listed) is False
    assert decided(joined, ",".join(map(str, numbers)))


@few
@given(NUMBERS, VALUES, st.data())
def test_plain_numbers_are_graded_alike_from_both_sides(number: Number, other: Fraction, data: st.DataObject):
    another = data.draw(written(other))
    assert decided(number.gold, number.answer) == decided(number.answer, number.gold)
    assert decided(number.gold, another) == decided(another, number.gold)


@few
@given(
    NUMBERS,
    VALUES,
    st.data(),
    st.sampled_from(["{} or {}", r"{} \text{{ or }} {}", "{}, {}", "{} maybe {}", r"{} \lor {}", "{}或{}"]),
)
def test_two_offers_are_no_answer(number: Number, other: Fraction, data: st.DataObject, offer: str):
    assume(other != number.value)
    another = data.draw(written(other))
    assert decided(number.gold, offer.format(number.answer, another)) is not True
    assert decided(number.gold, offer.format(another, number.answer)) is not True


@few
@given(VALUES, VALUES, st.data(), st.sampled_from(["=", r"\approx"]))
def test_a_false_equation_states_nothing(left: Fraction, right: Fraction, data: st.DataObject, sign: str):
    assume(abs(left - right) > max(abs(left), abs(right)) / 5)
    members = data.draw(written(left)), data.draw(written(right))
    assert decided(members[1], f"{members[0]} {sign} {members[1]}") is not True
    assert decided(members[0], f"{members[0]} {sign} {members[1]}") is not True


FRAGMENTS = [
    *' \n\t\\{}()[]$,;:.*`"_^=<>-+/|&~#?!1aAIé答',
    r"\ ",
    r"\,",
    "\\\\",
    r"\text{",
    r"\boxed",
    r"\boxed{",
    "a ",
    " a",
    "1,",
    "a,",
    ", ",
]
FRAGMENTS += [
    "and ",
    "is ",
    "A ",
    "A)",
    "**",
    "$ ",
    "{}",
    "^{",
    r"\quad ",
    r"\frac",
    r"\left",
    "<think>",
    "Answer:",
    r"\begin{",
    r"\over",
    "0.",
    "1:",
]


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_time_is_linear_in_the_length_of_anything(fragment: str):
    whole = fragment * (LONGEST_RESPONSE // len(fragment))
    inside = fragment * (4_900 // len(fragment))
    compare.cache_clear()
    started = time.process_time()
    grade_math(whole, "5")
    grade_math(f"\\boxed{{{whole}}}", "5")
    grade_choice(whole, "A", 4)
    grade_choice(f"\\boxed{{{whole}}}", "A", 4)
    assert time.process_time() - started < 4 * 0.5
    started = time.process_time()
    compare("5", inside)
    grade_math(r"\boxed{5}", inside[:900])
    is_usable(whole)
    grade_choice(f"\\boxed{{{inside[:990]}}}", "A", 4)
    assert time.process_time() - started < 0.5
