import pytest
from hypothesis import given
from hypothesis import strategies as st

from red.grading.answers.characters import clean
from red.grading.answers.normalize import gold_text, light, plain

SUPERSCRIPT_DIGITS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("10\u00b2", "10^{2}"),
        ("x\u00b9\u00b2", "x^{12}"),
        ("x\u2099\u00b2", "x_{n}^{2}"),
        ("\u00bd", r"\frac{1}{2}"),
        ("2\u00bd", r"2\frac{1}{2}"),
        ("\u221a3", r"\sqrt{3}"),
        ("\u221a(x+1)", r"\sqrt{x+1}"),
        ("\uff14\uff12", "42"),
        ("\u0664\u0662", "42"),
        ("\u22125", "-5"),
        ("4\u200b2", "42"),
        ("\u202e24", "24"),
        ("6\x00", "6"),
        ("5\ud800", "5"),
        ("2\u03c0", r"2\pi "),
        ("\u221e", r"\infty "),
        ("30\u00b0", r"30^\circ "),
    ],
)
def test_characters_become_plain_latex(raw, expected):
    assert clean(raw) == expected


@given(st.integers(0, 9999), st.text(SUPERSCRIPT_DIGITS, min_size=1, max_size=4))
def test_a_superscript_never_joins_the_digits_before_it(base, raised):
    digits = "".join(str(SUPERSCRIPT_DIGITS.index(sign)) for sign in raised)
    assert clean(f"{base}{raised}") == f"{base}^{{{digits}}}"


@given(st.text(max_size=40))
def test_cleaning_leaves_nothing_invisible_and_is_stable(text):
    cleaned = clean(text)
    assert not any(0xD800 <= ord(c) < 0xE000 or c in "\0\u200b\u202e\ufeff" for c in cleaned)
    assert clean(cleaned) == cleaned


@given(st.text(max_size=60))
def test_light_normalization_never_fails(text):
    assert isinstance(light(plain(text)), str)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac 34", r"\dfrac{3}{4}"),
        (r"11\sqrt2", r"11\sqrt{2}"),
        (r"\left( 1 , 2 \right)", "(1,2)"),
        (r"90^{\circ}", r"90^\circ"),
        (r"\$32,\!348", "32348"),
        ("10{,}000", "10,000"),
        ("1 234 567", "1234567"),
        (r"\text{4:30 p.m.}", r"4:30\text{ p.m.}"),
        ("3.8e35", r"3.8\cdot 10^{35}"),
        ("x_{1}^{2}", "x_1^2"),
        ("5.0", "5"),
        ("(0.50,2.00)", "(.50,2)"),
        (r"1\text{ and }3", "1,3"),
        ("(C)", r"\textbf{C}"),
        (r"k \geqslant 2", r"k\ge2"),
        ("2**3", "2^{3}"),
    ],
)
def test_answers_that_differ_only_in_dress_become_equal(one, other):
    assert light(plain(one)) == light(plain(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1 2", "12"), ("1.234", "1,234"), ("10\u00b2", "102"), ("x^{12}", "x^12"), ("(1,2)", "[1,2]"), ("E", "e")],
)
def test_answers_that_differ_stay_different(one, other):
    assert light(plain(one)) != light(plain(other))


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ("$69$,$84$", "69 , 84"),
        ("$221,$8$", "221,8"),
        ("$145$solution:", "145"),
        ("$2$ or $-2$", "2 or -2"),
        (r"a+$ $\dot{b}", r"a+ \dot{b}"),
        ("np.arcsin(10/13)", r"\arcsin(10/13)"),
        ("-1./3", "-1/3"),
        (r"\$18.90", "18.90"),
    ],
)
def test_a_gold_is_one_formula_without_dollars(gold, expected):
    assert gold_text(gold) == expected
