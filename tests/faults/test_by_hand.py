"""Records, scores and cases that somebody makes in Python: an error in words, never a number that means nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from red import (
    NLL,
    Advantage,
    Aggregation,
    Case,
    DemonstrationTerm,
    Grader,
    Mixture,
    RewardJudge,
    RolloutTerm,
    Weight,
    mean_interval,
    paired_difference,
)
from tests.faults.case import table

pytestmark = pytest.mark.faults("numbers")
ONE, NAN = np.array([[0.0, 1.0]]), np.array([[0.0, float("nan")]])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


BY_HAND: tuple[tuple[str, Callable[[], object], str], ...] = (
    ("negative clip", lambda: RolloutTerm(clip_low=-0.1), "clip_low: must be at least 0, found -0.1"),
    ("window of no step", lambda: Weight(window=0), "window: must be at least 1, found 0"),
    ("window of 2^63 steps", lambda: Weight(window=2**63), "window: must be at most 2147483647"),
    ("bound of w that is no number", lambda: Weight(low=float("nan")), "low: must be a finite number, found nan"),
    ("bound of w that is a text", lambda: Weight(low="1"), "low: expected a number, found '1'"),  # type: ignore[arg-type]
    ("infinite coefficient", lambda: NLL(coefficient=float("inf")), "coefficient: must be a finite number, found inf"),
    ("coefficient that is a boolean", lambda: NLL(coefficient=True), "coefficient: expected a number, found 'True'"),
    ("share above one", lambda: Mixture(peak=1.5), "peak: must be at most 1, found 1.5"),
    ("no token", lambda: DemonstrationTerm(top_entropy=0.0), "top_entropy: must be above 0, found 0"),
    ("length of zero", lambda: Aggregation(length=0), "length: must be above 0, found 0"),
    ("deviation without its floor", lambda: Advantage(eps=0), "eps: must be above 0, found 0"),
    ("scores that are no numbers", lambda: mean_interval(NAN, rng()), "scores must be finite numbers"),
    ("scores that are no numbers, paired", lambda: paired_difference(ONE, NAN, rng()), "scores must be finite numbers"),
    ("no scores", lambda: mean_interval([], rng()), "at least one problem"),
    ("no scores, paired", lambda: paired_difference([], [], rng()), "at least one problem"),
    ("scores of fewer benchmarks", lambda: paired_difference([ONE, ONE], [ONE], rng()), "need the same problems"),
    ("response that is none", lambda: Case(None, "1"), "response: expected a text, found None"),  # type: ignore[arg-type]
    ("gold that is a number", lambda: Case("1", 1), "gold: expected a text, found 1"),  # type: ignore[arg-type]
    ("grading processes by half", lambda: Grader(workers=1.5), "workers: must be at least 1"),  # type: ignore[arg-type]
    ("rule of rewards that nobody knows", lambda: RewardJudge(rule="kind"), "rule: 'kind' is not one of strict, luffy"),
)


@table("make, words", "by hand: ", BY_HAND)
def test_by_hand(make: Callable[[], object], words: str):
    with pytest.raises(ValueError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
