"""Ranks and their marks, incomplete seeds, and means over benchmarks."""

import numpy as np
import pandas as pd
import pytest

from analysis.measures.compare import bootstrap_mean, compare, ranks


def frame(accuracies: dict[str, list[list[float]]], benchmark: str = "math500") -> pd.DataFrame:
    """accuracies[run][seed][problem] as `Tables.scores` gives them."""
    rows = [
        {"run": run, "seed": seed, "benchmark": benchmark, "problem": f"p{index:03}", "accuracy": value}
        for run, seeds in accuracies.items()
        for seed, values in enumerate(seeds)
        for index, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def clear(share: float) -> list[float]:
    return [1.0] * round(100 * share) + [0.0] * round(100 * (1 - share))


def test_a_clear_first_and_second_are_bold_and_underlined():
    data = compare(frame({"a": [clear(0.9)], "b": [clear(0.6)], "c": [clear(0.3)]}))
    assert ranks(data, ["a", "b", "c"], ["math500"]) == {"a": "best", "b": "second"}


def test_a_close_first_is_marked_but_not_as_best():
    # b answers 60 of 100, c 59: not separable; a is above both.
    data = compare(frame({"a": [clear(0.9)], "b": [clear(0.6)], "c": [clear(0.59)]}))
    assert ranks(data, ["a", "b", "c"], ["math500"]) == {"a": "best", "b": "next"}
    data = compare(frame({"a": [clear(0.61)], "b": [clear(0.6)], "c": [clear(0.3)]}))
    assert ranks(data, ["a", "b", "c"], ["math500"]) == {"a": "highest", "b": "second"}


def test_a_second_with_nothing_below_it_is_not_underlined():
    data = compare(frame({"a": [clear(0.9)], "b": [clear(0.3)]}))
    assert ranks(data, ["a", "b"], ["math500"]) == {"a": "best", "b": "next"}


def test_nothing_right_has_no_place():
    data = compare(frame({"a": [clear(0.9)], "b": [clear(0.0)]}))
    assert ranks(data, ["a", "b"], ["math500"]) == {"a": "best"}


def test_a_shared_place_is_nobodys():
    data = compare(frame({"a": [clear(0.3)], "b": [clear(0.3)], "c": [clear(0.1)]}))
    assert ranks(data, ["a", "b", "c"], ["math500"]) == {}
    data = compare(frame({"a": [clear(0.9)], "b": [clear(0.3)], "c": [clear(0.3)]}))
    assert ranks(data, ["a", "b", "c"], ["math500"]) == {"a": "best"}


def test_one_run_alone_has_no_rank():
    data = compare(frame({"a": [clear(0.9)]}))
    assert ranks(data, ["a", "missing"], ["math500"]) == {}


def test_disagreeing_seeds_widen_the_interval():
    agree = compare(frame({"a": [clear(0.5), clear(0.5)]})).estimate("a", ["math500"])
    differ = compare(frame({"a": [clear(0.3), clear(0.7)]})).estimate("a", ["math500"])
    assert agree.mean == differ.mean == 0.5
    assert differ.high - differ.low > 1.5 * (agree.high - agree.low)
    assert (differ.seeds, differ.units) == (2, 100)


def test_the_mean_over_benchmarks_is_unweighted():
    both = pd.concat([frame({"a": [[1.0] * 30]}, "aime24"), frame({"a": [[0.0] * 500]}, "math500")])
    assert compare(both).mean("a", ["aime24", "math500"]) == 0.5


def test_an_incomplete_seed_is_left_out_and_named():
    scores = frame({"a": [[1.0, 1.0, 1.0], [0.0, 0.0]], "b": [[1.0, 0.0, 1.0]]})
    data = compare(scores)
    assert data.incomplete == ("1 of 3 math500 problems of a seed 1",)
    assert data.mean("a", ["math500"]) == 1.0
    assert data.seeds("a", ["math500"]) == 1


def test_a_benchmark_that_a_run_lacks_gives_nothing():
    data = compare(frame({"a": [[1.0, 0.0]]}))
    assert data.estimate("a", ["math500", "aime24"]) is None
    assert data.difference("a", "b", ["math500"]) is None


def test_an_empty_frame_compares_nothing():
    data = compare(frame({}).reindex(columns=["run", "seed", "benchmark", "problem", "accuracy"]))
    assert data.mean("a", ["math500"]) is None


def test_a_single_unit_has_no_interval():
    found = bootstrap_mean(np.array([0.25]))
    assert found.mean == 0.25
    assert np.isnan(found.low)


def test_equal_units_have_an_interval_of_width_zero():
    found = bootstrap_mean(np.full(9, 0.5))
    assert (found.low, found.high, found.units) == (pytest.approx(0.5), pytest.approx(0.5), 9)
