"""What every method is made of: records that cannot change, their defaults, the reward, groups."""

import importlib
import pkgutil
from dataclasses import FrozenInstanceError, fields, is_dataclass
from inspect import getmembers

import pytest

import red.methods
import red.objective
import red.training
from red.methods import method
from red.methods.base import Mix, Problem, Reward, Sequence

# What remembers, from step to step; everything else is a record.
MEMORIES = {"AnchorSearch", "GradedSampler", "HardBuffer", "Loop", "NoiseController", "WeightSchedule"}


def records():
    """The dataclasses of the rooms that hold the mathematics."""
    for package in (red.methods, red.objective, red.training):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, cls in getmembers(importlib.import_module(module.name), is_dataclass):
                if isinstance(cls, type) and cls.__module__ == module.name and name not in MEMORIES:
                    yield pytest.param(cls, id=name)


@pytest.mark.parametrize("record", list(records()))
def test_a_record_cannot_change(record):
    one = object.__new__(record)
    for name in [field.name for field in fields(record)] or ["anything"]:
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, 1)


def test_a_demonstration_counts_as_right_and_a_response_as_whole_until_somebody_says_otherwise():
    assert Problem("1", (1,), "2").demonstration_accuracy == 1.0
    assert not Sequence((1,), (2,), 1.0, 1.0).truncated


@pytest.mark.parametrize(
    ("name", "needed"),
    [("sft", True), ("grpo", False), ("luffy", True), ("red", True), ("relift", False), ("dapo", False)],
)
def test_a_prompt_needs_a_demonstration_if_its_group_has_one(name, needed):
    assert method(name).needs_demonstrations is needed


ROLLOUTS_ALONE = ("grpo", "drgrpo", "dapo", "bread", "gpg", "nft", "sft_rl", "opd", "gvpo")


@pytest.mark.parametrize("name", red.methods.names())
def test_a_method_learns_demonstrations_unless_it_is_rl_alone(name):
    assert method(name).learns_demonstrations is (name not in ROLLOUTS_ALONE)


def test_a_plain_mix_keeps_every_rollout_that_it_samples():
    assert Mix().sampled_per_kept(0.3, 0.5) == 1.0


@pytest.mark.parametrize(("length", "reward"), [(8, 1.0), (9, 1.0), (10, 0.0)])
def test_the_penalty_has_one_token_at_least_to_fall(length, reward):
    """A hundredth of 10 tokens is none."""
    assert Reward(overlong_share=0.01).total(1.0, length, 10) == pytest.approx(reward)


def test_a_sampler_that_forgets_a_problem_is_a_fault():
    class Forgetful:
        def __call__(self, problems, samples, prefixes=None):
            return [[] for _ in problems[1:]]

        def demonstration(self, problem):
            return Sequence(problem.prompt, problem.demonstration, 1.0, 1.0, is_demonstration=True)

    with pytest.raises(ValueError, match="shorter"):
        Mix(demonstrations=1).groups([Problem("1", (1,), "2"), Problem("2", (1,), "2")], Forgetful(), 4)
