"""Learning rate, another run's weights, and shares of a step, against literal numbers."""

import json
from dataclasses import replace

import pytest

from red.config import Training
from red.engines.schedule import learning_rate, logged_weights, split
from red.errors import DataError
from red.methods.base import Group, Problem

TEN = Training("local", steps=10, prompts_per_step=4, group_size=4, max_new_tokens=16, lr=2.0)


def rates(**changes):
    training = replace(TEN, **changes)
    return [learning_rate(step, training) for step in range(training.steps)]


def test_linear_falls_from_the_rate_towards_zero():
    assert rates() == pytest.approx([2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2])


def test_warm_up_rises_over_its_share_of_the_steps_and_the_schedule_begins_after_it():
    assert rates(warmup=0.4) == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 5 / 3, 4 / 3, 1.0, 2 / 3, 1 / 3])
    assert rates(warmup=0.25)[:4] == pytest.approx([0.8, 1.6, 2.4, 2 * (1 - 0.5 / 7.5)])
    assert rates(warmup=1.0, steps=2) == [1.0, 2.0]
    assert rates(warmup=0.05)[:2] == pytest.approx([2.0, 2 * (1 - 0.5 / 9.5)])


def test_a_floor_is_where_the_schedule_ends():
    assert rates(lr_floor=0.1) == pytest.approx([2 * (0.1 + 0.9 * (1 - step / 10)) for step in range(10)])
    assert rates(lr_floor=1.0) == pytest.approx([2.0] * 10)


def test_cosine_and_constant():
    expected = [2.0, 1.9510565, 1.8090170, 1.5877853, 1.3090170, 1.0, 0.6909830, 0.4122147, 0.1909830, 0.0489435]
    assert rates(lr_schedule="cosine") == pytest.approx(expected, abs=1e-6)
    assert rates(lr_schedule="cosine", lr_floor=0.1)[5] == pytest.approx(2 * (0.1 + 0.9 * 0.5))
    assert rates(lr_schedule="constant", warmup=0.2) == [1.0, *[2.0] * 9]
    assert rates(lr_schedule="constant", lr_floor=0.3) == pytest.approx([2.0] * 10)


def test_a_training_of_one_step_has_its_rate():
    assert rates(steps=1) == [2.0]


def test_weights_of_another_run_are_read_in_order(tmp_path):
    file = tmp_path / "metrics.jsonl"
    rows = [{"train/step": 0, "red/w": 1.0}, {"train/step": 1}, {"train/step": 2, "red/w": 3.5}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert logged_weights(file) == [1.0, 3.5]
    assert logged_weights(None) == []


def test_a_run_without_weights_is_no_source(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"train/step": 0}\n')
    with pytest.raises(DataError, match="no red/w in any row"):
        logged_weights(file)


@pytest.mark.parametrize(
    ("count", "parts", "expected"),
    [
        (6, 1, [[0, 1, 2, 3, 4, 5]]),
        (6, 2, [[0, 1, 2], [3, 4, 5]]),
        (6, 3, [[0, 1], [2, 3], [4, 5]]),
        (5, 2, [[0, 1], [2, 3, 4]]),
        (7, 3, [[0, 1], [2, 3], [4, 5, 6]]),
        (2, 4, [[0], [1]]),
        (1, 2, [[0]]),
    ],
)
def test_a_step_is_cut_into_consecutive_shares_of_its_groups(count, parts, expected):
    groups = [Group(Problem(str(i), (1,), ""), ()) for i in range(count)]
    assert [[int(g.problem.id) for g in share] for share in split(groups, parts)] == expected
