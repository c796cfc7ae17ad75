"""Pretraining of the embedded models. What their bases can do is measured in every study: the item `premises`."""

import math
from dataclasses import replace

import pytest

from red.errors import ConfigError
from red.plumbing.records import from_mapping
from red.world import pretraining as embedded
from red.world.pretraining import RECIPES, EmbeddedModel, recipe
from red.world.spec import World


def test_the_loss_falls_below_that_of_equal_words():
    small = replace(RECIPES["base"], hidden_size=32, intermediate_size=32, layers=1, steps=80, batch=16)
    _, summary = embedded.pretrain(small, seed=0, world=World())
    assert summary["loss"] < 0.9 * math.log(134)  # smoothed, so it still remembers the start


def test_progress_goes_to_stderr(capsys):
    embedded.pretrain(replace(RECIPES["base"], steps=2, batch=4), seed=0, world=World(), log_every=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("pretraining") == 2


def test_learning_rate_warms_up_then_decays_to_three_percent():
    base = RECIPES["base"]
    rates = [embedded._learning_rate(1.0, base, step) for step in range(base.steps)]
    assert rates[0] == pytest.approx(1 / 50)
    assert rates[50] == rates[base.steps // 2 - 1] == 1
    assert rates[base.steps * 3 // 4] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.03)


def test_only_response_tokens_count():
    ids, mask = embedded._pad([([5, 6], [7, 1]), ([5], [1])])
    assert ids.tolist() == [[5, 6, 7, 1], [5, 1, 0, 0]]
    assert mask.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_the_large_model_is_larger_and_sees_the_teacher():
    base, large = recipe(EmbeddedModel()), recipe(EmbeddedModel(size="large"))
    assert large.hidden_size > base.hidden_size
    assert large.teacher_share > base.teacher_share == 0
    assert recipe(EmbeddedModel(steps=7)).steps == recipe(EmbeddedModel(steps=7, optimizer="adamw")).steps == 7
    with pytest.raises(ConfigError, match="model.size: 'vast' is not one of base, large"):
        from_mapping(EmbeddedModel, {"size": "vast"}, "model")
