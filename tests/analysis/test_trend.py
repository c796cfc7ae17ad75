"""A trend moves neither start nor end, and is the plain mean in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.parts.trend import trend

NUMBERS = st.floats(-1e3, 1e3)


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.integers(0, 12))
def test_ends_are_raw_and_the_middle_is_a_centred_mean(values, reach):
    values = np.array(values)
    smooth = trend(values, reach)
    assert smooth[0] == pytest.approx(values[0]) and smooth[-1] == pytest.approx(values[-1])
    for place in range(reach, len(values) - reach):
        assert smooth[place] == pytest.approx(values[place - reach : place + reach + 1].mean(), abs=1e-9)


def test_a_straight_line_stays_itself_up_to_both_ends():
    line = np.linspace(3, 7, 21)
    np.testing.assert_allclose(trend(line, 5), line)


def test_columns_are_smoothed_apart_and_holes_are_left_out():
    values = np.array([[0.0, np.nan], [3.0, 1.0], [6.0, np.nan], [9.0, 5.0]])
    np.testing.assert_allclose(trend(values, 1), [[0, np.nan], [3, 1], [6, 3], [9, 5]])
