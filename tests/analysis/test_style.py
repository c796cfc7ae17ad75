"""Looks of methods: fixed, distinct in colour and in grey."""

from itertools import combinations

from analysis.parts.style import LOOKS, looks, luminance, title
from red.tables.reader import Run


def test_methods_differ_in_grey_or_in_dashes_and_always_in_marker_or_grey():
    for (a, one), (b, two) in combinations(LOOKS.items(), 2):
        apart = abs(luminance(one.color) - luminance(two.color)) > 0.1
        assert apart or one.dashes != two.dashes, (a, b)
        assert apart or one.marker != two.marker, (a, b)


def test_colours_are_readable_on_white():
    assert max(luminance(look.color) for look in LOOKS.values()) < 0.7


def test_variants_of_one_method_get_different_markers():
    runs = [Run("red", "RED", "red")] + [Run(f"red_{k}", f"RED {k}", "red") for k in range(6)]
    found = looks(runs)
    assert found["red"] == LOOKS["red"]
    assert len({look.marker for look in found.values()}) == 7
    assert len({look.color for look in found.values()}) == 1


def test_a_named_run_keeps_its_look_whatever_comes_before():
    found = looks([Run("grpo_sft50", "x", "grpo"), Run("grpo", "GRPO", "grpo")])
    assert found["grpo"] == LOOKS["grpo"]


def test_tiny_is_in_the_title_unless_at_paper_scale():
    assert title("Results", "tiny") == "[tiny scale] Results"
    assert title("Results", "paper") == "Results"
