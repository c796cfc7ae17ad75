"""Templates put the question, the options and nothing else of the data into the prompt."""

import pytest

from red.errors import ConfigError
from red.text.template import TEMPLATES, render


def test_plain_lists_option_values():
    assert render("Compute 1+1", None, "plain") == "Compute 1+1.\nA:"
    assert render("Compute 1+1", ["2", "3"], "plain") == "Compute 1+1\nOptions: 2, 3.\nA:"


def test_think_opens_the_thought_after_the_system_prompt():
    text = render("What?", None, "think", system="Be careful.")
    assert text == "Be careful.\nUser: This is the problem: What?\nAssistant: <think>\n"


def test_other_templates_give_each_option_a_letter():
    assert "Which?\nA. red\nB. blue" in render("Which?", ["red", "blue"], "qwen_boxed")


@pytest.mark.parametrize("name", TEMPLATES)
def test_braces_of_the_question_are_left_alone(name):
    assert "\\frac{1}{2} {system}" in render("\\frac{1}{2} {system}", None, name)


def test_an_unknown_template_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'fancy' is unknown; known: plain, think"):
        render("x", None, "fancy")


def test_more_options_than_letters_are_refused():
    with pytest.raises(ConfigError, match="27 options"):
        render("x", list(range(27)), "think")
