"""Curves: smoothing, bands over seeds, and what the caption says of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from analysis.parts.curves import Curves, Line, Panel, draw, mean_curve
from analysis.parts.style import Look, canvas
from red.tables.reader import Tables
from red.tables.schema import DYNAMICS


def curves(window: int, *notes: str) -> Curves:
    return Curves(pd.DataFrame(), (), window, frozenset(), notes)


def test_the_caption_says_how_many_steps_a_trend_takes_and_what_was_left_out():
    assert "centred mean over 5 steps, fewer towards both ends, where it is the raw value" in curves(5).how
    assert "centred" not in curves(1).how
    assert curves(1, "Only seed 0.").how.endswith("highest seed. Only seed 0.")


def test_a_curve_is_the_mean_of_the_trends_of_its_seeds_and_has_the_raw_values_beside_it():
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "step": [1, 2, 3] * 2, "value": [0, 9, 3, 2, 5, 8]})
    curve = mean_curve(frame, reach=1)
    assert curve["mean"].tolist() == [1.0, 4.5, 5.5]  # seed 0: 0, 4, 3; seed 1: 2, 5, 8
    assert curve["low"].tolist() == [0.0, 4.0, 3.0]
    assert curve["raw"].tolist() == [1.0, 7.0, 5.5]
    assert curve["raw_high"].tolist() == [2.0, 9.0, 8.0]
    assert curve["seeds"].tolist() == [2, 2, 2]


def logged(study: Tables, frame: pd.DataFrame) -> Curves:
    """One panel with a line for each run of the frame."""
    frame = frame.assign(method="red", spec_hash="a", code="b")
    source = ds.dataset(pa.Table.from_pandas(frame, DYNAMICS, preserve_index=False))
    runs = study.named(*frame["run"].unique())
    panel = Panel("", "nats", tuple(Line(run, "entropy/rollout", run.label, Look("#000000")) for run in runs))
    _, axes = canvas(1, 1, 2.0)
    return draw(replace(study, dynamics_source=source), axes[0], [panel])


def rows(run: str, seed: int, steps: range) -> pd.DataFrame:
    values = np.linspace(1, 0.3, len(steps)) ** 4
    return pd.DataFrame({"run": run, "seed": seed, "step": steps, "metric": "entropy/rollout", "value": values})


def test_no_start_and_no_end_is_moved_and_a_window_is_one_number_of_steps_for_all(study):
    """Whether a run logs every step or every fifth."""
    found = logged(study, pd.concat([rows("red", 0, range(0, 201)), rows("sft", 0, range(0, 201, 5))]))
    for _, curve in found.numbers.groupby("run"):
        ends = curve.iloc[[0, -1]]
        assert ends["mean"].tolist() == ends["raw"].tolist() == pytest.approx([1, 0.3**4])
        assert not np.allclose(curve["mean"], curve["raw"])
    assert found.window == 11


def test_runs_of_one_figure_are_compared_over_the_seeds_that_all_of_them_have(study):
    found = logged(study, pd.concat([rows("red", 0, range(5)), rows("red", 1, range(5)), rows("sft", 1, range(5))]))
    assert found.seeds == {1} and set(found.numbers["seeds"]) == {1}
    assert "Only what all of these runs have, seed 1" in found.how


def test_a_logarithmic_curve_averages_geometrically_and_drops_zeros():
    frame = pd.DataFrame({"seed": [0, 1, 0], "step": [1, 1, 2], "value": [1.0, 100.0, 0.0]})
    curve = mean_curve(frame, log=True)
    assert curve["step"].tolist() == [1]
    assert np.allclose(curve["mean"], 10)
