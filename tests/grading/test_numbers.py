from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from red.grading.answers.normalize import light, plain
from red.grading.answers.numbers import number


def value(text: str):
    found = number(light(plain(text)))
    return found and found.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-12", Fraction(-12)),
        (".5", Fraction(1, 2)),
        ("-1./3", Fraction(-1, 3)),
        (r"-\frac{3}{8}", Fraction(-3, 8)),
        (r"2\frac{1}{3}", Fraction(7, 3)),
        ("2 1/3", Fraction(7, 3)),
        ("2.88e-19", Fraction(288, 10**21)),
        (r"1.5\times 10^{9}", Fraction(1_500_000_000)),
        ("10^{-8}", Fraction(1, 10**8)),
        ("1,234.5", Fraction(2469, 2)),
    ],
)
def test_plain_numbers_have_exact_values(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize("text", ["x", "1,2", r"\frac{1}{0}", "1e999999999", "2x", "", r"2 \cdot \frac{1}{3}"])
def test_other_texts_have_none(text):
    assert value(text) is None


def test_a_number_beyond_the_limit_of_python_is_none():
    assert number("9" * 10_000) is None


@given(st.integers(-(10**40), 10**40))
def test_neighbouring_integers_are_told_apart(n):
    assert value(str(n)) == n != value(str(n + 1))


@given(st.fractions(max_denominator=10**6))
def test_fractions_come_back(x):
    assert value(rf"{'-' if x < 0 else ''}\frac{{{abs(x.numerator)}}}{{{x.denominator}}}") == x


def test_a_percentage_equals_its_count_and_its_ratio():
    quarter = number("25%")
    assert quarter.equals(number("25")) and quarter.equals(number("0.25"))
    assert not quarter.equals(number("2500"))
    assert not number("100").equals(number("1"))
