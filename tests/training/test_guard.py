"""When an update is left out, and when a run stops."""

import math
from dataclasses import replace

import pytest

from red import methods
from red.errors import NumericalError
from red.methods.base import Group, Problem, Sequence
from red.training.guard import Guard
from red.training.update import Enrolment, Update, UpdateResult
from tests.training import toy

SPEC = methods.method("grpo").objective
SIGNED = methods.method("srft").objective
REDI = methods.method("redi").objective


def update():
    """The guard looks at the result only; the update is what it saves."""
    enrolled = Enrolment.of([Group(Problem("p", (5,), "1"), (Sequence((5,), (6, 1), 1.0, 1.0),))], SPEC)
    plan = enrolled.plan(SPEC, 1.0, None)
    return Update(3, enrolled.sequences, SPEC, plan, None, True, lr=1.0, clip=1.0, moments="main", seed=0)


def result(loss, norm):
    return UpdateResult(None, {"total": loss}, norm)


def watched(values, spec=SIGNED):
    guard = Guard(None, spec, 1.0)
    for value in values:
        guard.watch(value)
    return guard


def test_five_steps_in_a_row_below_minus_six_stop_a_signed_objective():
    assert watched([-6.1] * 4).stopped == ""
    assert "-6.0 for 5 steps" in watched([-6.1] * 5).stopped
    assert watched([-6.0] * 9).stopped == ""
    assert watched([-7.0] * 4 + [-5.9] + [-7.0] * 4).stopped == ""
    assert watched([-7.0] * 4 + [None] + [-7.0] * 4).stopped == ""
    assert watched([-9.0] * 9, SPEC).stopped == ""
    assert watched([-6.1] * 4, REDI).stopped == ""
    assert watched([-6.1] * 5, REDI).stopped
    # Without a factor nothing is pushed down.
    assert watched([-9.0] * 9, replace(REDI, nll=replace(REDI.nll, negative=0.0))).stopped == ""


def test_three_updates_in_a_row_that_are_not_finite_end_the_run(tmp_path):
    guard = Guard(tmp_path / "failed", SPEC, 1.0)
    values = [(math.nan, 1.0), (1.0, math.inf), (1.0, 1.0), (1.0, math.nan), (-math.inf, 1.0)]
    assert [guard.accepts(result(*pair), update(), toy.base) for pair in values] == [False, False, True, False, False]
    assert (guard.skipped, guard.in_a_row) == (4, 2)
    with pytest.raises(NumericalError, match="step 3: .* 3 updates in a row"):
        guard.accepts(result(math.nan, 1.0), update(), toy.base)


def test_an_update_of_too_large_a_gradient_is_left_out_and_is_no_fault():
    guard = Guard(None, SPEC, 1.0)
    limited = replace(update(), skip=80.0)
    norms = [80.0, 80.1, 1e9, 1e9, 1e9, 3.0]
    assert [guard.accepts(result(1.0, norm), limited, toy.base) for norm in norms] == [True, *[False] * 4, True]
    assert (guard.skipped, guard.in_a_row) == (4, 0)
    assert guard.accepts(result(1.0, 1e9), update(), toy.base)


def test_a_restored_guard_counts_on():
    first = watched([-7.0] * 4)
    first.skipped, first.in_a_row = 2, 1
    second = Guard(None, SIGNED, 1.0)
    second.load(first.state())
    assert second.state() == first.state() == {"skipped": 2, "in_a_row": 1, "exploded": 4, "stopped": ""}
    second.watch(-7.0)
    assert second.stopped
