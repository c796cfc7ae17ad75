"""Learning rate, another run's weights, and shares of a step, against literal numbers."""

import json
from dataclasses import replace

import pytest

from red.errors import DataError
from red.methods.base import Group, Problem
from red.training.schedule import learning_rate, logged_w, packed, split
from red.training.spec import Training

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


def test_a_span_of_its_own_is_followed_as_far_as_the_steps_reach():
    """And stays at the floor where it has ended."""
    whole = rates(steps=20, lr_schedule="cosine", lr_floor=0.1, warmup=0.1)
    assert rates(lr_steps=20, lr_schedule="cosine", lr_floor=0.1, warmup=0.1) == whole[:10]
    assert rates(lr_steps=5, lr_floor=0.1)[4:] == pytest.approx([2 * (0.1 + 0.9 * 0.2), *[0.2] * 5])
    assert rates(lr_steps=1) == [2.0, *[0.0] * 9]
    assert rates(lr_steps=2, warmup=1.0)[:4] == [1.0, 2.0, 2.0, 0.0]
    # The authors' cosine over 5 episodes, at the 300th of our steps.
    authors = replace(TEN, steps=500, lr=2e-6, lr_schedule="cosine", lr_floor=0.1, lr_steps=3570)
    assert learning_rate(300, authors) == pytest.approx(1.97e-6, rel=2e-3)


def test_a_training_of_one_step_has_its_rate():
    assert rates(steps=1) == [2.0]


def test_weights_of_another_run_are_read_in_order(tmp_path):
    file = tmp_path / "metrics.jsonl"
    rows = [{"train/step": 0, "red/w": 1.0}, {"train/step": 1}, {"train/step": 2, "red/w": 3.5}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert logged_w(file) == [1.0, 3.5]
    assert logged_w(None) == []


def test_a_run_without_weights_is_no_source(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"train/step": 0}\n')
    with pytest.raises(DataError, match="no red/w in any row"):
        logged_w(file)


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


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([8, 8, 8, 8], 16, [[0, 1], [2, 3]]),
        ([8, 1, 8, 1, 8], 17, [[0, 1, 2], [3, 4]]),
        ([1, 1, 1], 16, [[0, 1, 2]]),
        ([20, 8, 20], 16, [[0], [1], [2]]),
        ([], 16, []),
    ],
)
def test_shares_of_at_most_so_many_sequences_cut_no_group(sizes, most, expected):
    groups = [Group(Problem(str(i), (1,), ""), ()) for i in range(len(sizes))]
    assert [[int(g.problem.id) for g in share] for share in packed(groups, sizes, most)] == expected
