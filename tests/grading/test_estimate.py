import pytest
from hypothesis import given
from hypothesis import strategies as st

from red.grading.answers.estimate import differ, estimate
from red.grading.answers.normalize import light, plain

NAMES = st.sampled_from(["x", "y", r"\pi", r"\omega", "a_{1}", "2", "3.5"])
FORMULAS = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]}+{p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]}-{p[1]})"),
        st.tuples(inner, inner).map(lambda p: rf"{p[0]}\cdot {p[1]}"),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        inner.map(lambda f: rf"\sqrt{{{f}}}"),
        inner.map(lambda f: f"{{({f})}}^{{2}}"),
    ),
    max_leaves=6,
)


def value(text: str):
    return estimate(light(plain(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"2\sqrt{3}", 12**0.5),
        (r"-\frac{1}{2}+1", 0.5),
        (r"\sqrt[3]{8}", 2),
        ("2(1+3)", 8),
        ("6/2", 3),
        ("[1+1]^{5/2}", 2**2.5),
        (r"\frac 34", 0.75),
        ("(1+2i)(1-2i)", 5),
        ("3^2", 9),
        (r"\exp{2}", 7.3890561),
        (r"\sin^{2}x+\cos^{2}x", 1),
        (r"2\ln 3\cdot 1", 2.1972246),
    ],
)
def test_constants_have_their_value(text, expected):
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        r"\ln(1-2)",
        "a/bc",
        r"2\frac{1}{3}",
        "x^10",
        "x^y^z",
        r"\sqrt[3]{-8}",
        r"\sec x",
        "1,2",
        "x=1",
        r"\frac{1}{0}",
        "10^{20}+1-10^{20}",
        "2^{1009}",
        "(1",
        "1)",
        "E",
        r"\lfloor x\rfloor",
        "x!",
        "50%",
        r"x\pm 1",
        r"\sin(10^{20})",
    ],
)
def test_the_unknown_and_the_ambiguous_have_none(text):
    assert value(text) is None


@given(FORMULAS, FORMULAS)
def test_equal_formulas_are_never_refuted(one, other):
    assert not differ(light(f"({one})+({other})"), light(f"({other})+({one})"))
    assert not differ(light(f"({one})({other})"), light(rf"({other})\cdot ({one})"))
    assert not differ(light(f"{{({one}+1)}}^{{2}}"), light(rf"{{({one})}}^{{2}}+2\cdot ({one})+1"))


@given(FORMULAS)
def test_another_constant_term_is_refuted_where_there_is_a_value(formula):
    changed = light(f"{formula}+1")
    assert (
        differ(light(formula), changed)
        or None in (estimate(light(formula)), estimate(changed))
        or abs(estimate(light(formula))) > 1e8
    )


@given(st.text("x1+-/^_(){}[]\\frac sqrt", max_size=30))
def test_no_text_breaks_it(text):
    estimate(text)
