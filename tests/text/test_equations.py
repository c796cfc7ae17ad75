"""An equation is told from a bare answer, in the tiny world's texts and in others'."""

import pytest

from red.text.equations import holds_equation


@pytest.mark.parametrize(
    "text",
    [
        "2+4=6+62=68. \\boxed{68}",
        "First, 34+28: 34+20=54+8=62, 34+28=62. So the answer is \\boxed{62}",
        "So $x = 5$ and the answer is 5.",
        "\\frac{3}{4} = 0.75",
        "f(2) = -3",
        "He has 3 * 4 = <<3*4=12>>12 apples",
    ],
)
def test_a_worked_step_is_an_equation(text):
    assert holds_equation(text)


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{68}",
        "Answer 68",
        "",
        "\\boxed{x = 5}",
        "the answer is \\boxed{a=1} or \\boxed{b=2}",
        "if a == 3:",
        "n <= 4",
        "3+4=",
        "=7",
    ],
)
def test_a_bare_answer_is_none(text):
    assert not holds_equation(text)
