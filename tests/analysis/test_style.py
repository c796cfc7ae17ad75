"""Looks of methods: fixed, distinct in colour and in grey."""

from itertools import combinations

import numpy as np
import pandas as pd

from analysis.style import LOOKS, looks, luminance, title, trend
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


def test_a_trend_is_the_mean_of_smoothed_seeds():
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "step": [1, 2, 3] * 2, "value": [0, 3, 6, 2, 5, 8]})
    curve = trend(frame, window=3)
    assert curve["mean"].tolist() == [2.5, 4.0, 5.5]  # seed 0: 1.5, 3, 4.5; seed 1: 3.5, 5, 6.5
    assert curve["low"].tolist() == [1.5, 3.0, 4.5]
    assert curve["seeds"].tolist() == [2, 2, 2]


def test_a_logarithmic_trend_averages_geometrically_and_drops_zeros():
    frame = pd.DataFrame({"seed": [0, 1, 0], "step": [1, 1, 2], "value": [1.0, 100.0, 0.0]})
    curve = trend(frame, log=True)
    assert curve["step"].tolist() == [1]
    assert np.allclose(curve["mean"], 10)
