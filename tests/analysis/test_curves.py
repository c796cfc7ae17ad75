"""Curves: smoothing, bands over seeds, and what the caption says of them."""

import numpy as np
import pandas as pd

from analysis.parts.curves import Curves, mean_curve


def test_the_caption_names_the_band_and_the_smoothing():
    assert Curves(pd.DataFrame(), (), 5).how.endswith("Moving average over 5 logged steps.")
    assert "Moving" not in Curves(pd.DataFrame(), (), 1).how


def test_a_curve_is_the_mean_of_smoothed_seeds():
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "step": [1, 2, 3] * 2, "value": [0, 3, 6, 2, 5, 8]})
    curve = mean_curve(frame, window=3)
    assert curve["mean"].tolist() == [2.5, 4.0, 5.5]  # seed 0: 1.5, 3, 4.5; seed 1: 3.5, 5, 6.5
    assert curve["low"].tolist() == [1.5, 3.0, 4.5]
    assert curve["seeds"].tolist() == [2, 2, 2]


def test_a_logarithmic_curve_averages_geometrically_and_drops_zeros():
    frame = pd.DataFrame({"seed": [0, 1, 0], "step": [1, 1, 2], "value": [1.0, 100.0, 0.0]})
    curve = mean_curve(frame, log=True)
    assert curve["step"].tolist() == [1]
    assert np.allclose(curve["mean"], 10)
