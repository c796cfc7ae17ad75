import pytest

from red.grading.answers.limits import is_refused, nesting


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9^9}}",
        "10^{10^{10}}",
        "a^{b^{c^{d}}}",
        "10^10^10",
        "(10^{9})!",
        "100000!",
        "(3!)!",
        "100!!",
        r"\binom{10^9}{5\cdot 10^8}",
        r"1\times 10^{999999999}",
        "9^{99999}",
        r"\prod_{k=1}^{10^7} k",
        r"\sum_{k=1}^{5}1",
        r"\int_0^5 1dx",
        "(lambda: 5)()",
        "__import__('os')",
        "x.__class__",
        "eval('5')",
        "import os",
        "sympy.factorial(5)",
        "open('/etc/passwd').read()",
        r"\write18{ls}",
        r"\input{x}",
        r"\newcommand{\a}{7}\a",
        r"\phantom{5}",
        "1" * 1001,
        "(" * 31 + ")" * 31,
    ],
)
def test_bombs_and_code_are_refused(text):
    assert is_refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "2^{1009}",
        "10^{100}+1",
        "3!",
        "n!",
        r"\frac{10!}{3!}",
        r"\binom{2n}{n}",
        "e^{-x^{2}}",
        "2^{2^{10}}",
        r"\lambda_{\text{red}}",
        r"\sqrt[3]{2}",
        r"2.88\times 10^{-19}",
        r"\cos.5",
        r"\text{open}",
        "(" * 30,
    ],
)
def test_ordinary_answers_are_not(text):
    assert not is_refused(text)


def test_nesting_counts_open_brackets():
    assert nesting("{([])}()") == 3
    assert nesting(")))") == 0
