"""When an update is left out, and when a run stops."""

import math

import pytest

from red.engines.guard import Guard, Update
from red.errors import NumericalError
from red.objective.spec import ObjectiveSpec
from tests.engines import toy

UPDATE = Update(3, [], ObjectiveSpec(), 1.0, None, 1.0)


def watched(values, signed=True):
    guard = Guard(None, signed)
    for value in values:
        guard.watch(value)
    return guard


def test_five_steps_in_a_row_below_minus_six_stop_a_signed_objective():
    assert watched([-6.1] * 4).stopped == ""
    assert "-6.0 for 5 steps" in watched([-6.1] * 5).stopped
    assert watched([-6.0] * 9).stopped == ""
    assert watched([-7.0] * 4 + [-5.9] + [-7.0] * 4).stopped == ""
    assert watched([-7.0] * 4 + [None] + [-7.0] * 4).stopped == ""
    assert watched([-9.0] * 9, signed=False).stopped == ""


def test_three_updates_in_a_row_that_are_not_finite_end_the_run(tmp_path):
    guard = Guard(tmp_path / "failed", signed=False)
    values = [(math.nan, 1.0), (1.0, math.inf), (1.0, 1.0), (1.0, math.nan), (-math.inf, 1.0)]
    assert [guard.accepts(*pair, UPDATE, toy.base) for pair in values] == [False, False, True, False, False]
    assert (guard.skipped, guard.in_a_row) == (4, 2)
    with pytest.raises(NumericalError, match="step 3: .* 3 updates in a row"):
        guard.accepts(math.nan, 1.0, UPDATE, toy.base)


def test_a_restored_guard_counts_on():
    first = watched([-7.0] * 4)
    first.skipped, first.in_a_row = 2, 1
    second = Guard(None, signed=True)
    second.load(first.state())
    assert second.state() == first.state() == {"skipped": 2, "in_a_row": 1, "exploded": 4, "stopped": ""}
    second.watch(-7.0)
    assert second.stopped
