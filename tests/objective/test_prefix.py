"""A prefix inside a rollout (docs/methods.md section 17): whose token is whose, and what a hybrid is equal to."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from red import methods
from red.methods.base import Group, Problem, Sequence
from red.models.passes import forward
from red.objective.aggregate import highest
from red.objective.loss import objective
from red.objective.spec import Aggregation
from red.training.update import Enrolment, pairs
from tests.training import toy

PROMPT = (2, 15, 6)


@pytest.fixture(scope="module")
def model():
    return toy.base().model.double()


def gradient(model, sequences, spec, plan):
    now = forward(model, pairs(sequences), 1.0, 10**6)
    total = objective(now.batch(now), spec, plan).total
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, list(model.parameters()))])


@pytest.mark.parametrize("name", ["trapo", "prefix_rft"])
@settings(max_examples=10)
@given(
    words=st.lists(st.integers(2, 30), min_size=2, max_size=9),
    cut=st.integers(1, 8),
    reward=st.sampled_from([0.0, 1.0]),
)
def test_a_hybrid_learns_as_its_prefix_and_its_continuation_apart(name, words, cut, reward, model):
    """The prefix as a demonstration, the continuation behind it as context, both with the hybrid's advantages."""
    prefix, rest = tuple(words[:cut]), (*words[cut:], toy.EOS)
    spec = replace(methods.method(name).objective, aggregation=Aggregation("const", 8.0))
    rollout = Sequence(PROMPT, (7, 3, 1), 1.0 - reward, 1.0 - reward)
    hybrid = Sequence(PROMPT, prefix + rest, reward, reward, prefix=len(prefix))
    together = Enrolment.of([Group(Problem("p", PROMPT, "1"), (rollout, hybrid))], spec)
    whole = together.plan(spec, 1.0, None)
    parts = (
        rollout,
        Sequence(PROMPT, prefix, 1.0, 1.0, is_demonstration=True),
        Sequence(PROMPT + prefix, rest, 1.0, 1.0),
    )
    apart = Enrolment.of([Group(Problem("p", PROMPT, "1"), parts)], spec)
    index = torch.tensor([0, 1, 1])
    split = replace(
        apart.plan(spec, 1.0, None),
        advantage_s=whole.advantage_s[index],
        demonstration_advantage_s=whole.demonstration_advantage_s[index],
        policy_sequences=whole.policy_sequences,
    )
    one, other = gradient(model, together.sequences, spec, whole), gradient(model, apart.sequences, spec, split)
    assert one.norm() > 0
    assert (one - other).norm() < 1e-9 * one.norm()


def test_a_hybrid_is_no_part_of_gates_and_filters_and_stays_in_every_divisor():
    """All rollouts fail, so HPT's gate and DAPO's filter close, whatever the hybrid did."""
    failed = [Sequence(PROMPT, (3, 1), 0.0, 0.0)] * 2
    hybrid = Sequence(PROMPT, (4, 5, 6, 1), 1.0, 1.0, prefix=2)
    groups = [Group(Problem("p", PROMPT, "1"), (*failed, hybrid))]
    assert not Enrolment.of(groups, methods.method("hpt").objective).sequences
    assert not Enrolment.of(groups, methods.method("dapo").objective).sequences
    spec = methods.method("prefix_rft").objective
    plan = Enrolment.of(groups, spec).plan(spec, 1.0, None)
    assert plan.r_group_s.tolist() == [0.0] * 3
    assert plan.advantage_s.tolist() == pytest.approx([-1 / 3, -1 / 3, 2 / 3])
    assert (plan.policy_sequences, plan.policy_tokens) == (3.0, 8.0)
    mask = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    assert plan.sampled(mask).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]
    assert plan.taught(mask).tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    # A prompt in front, as OpenRLHF has it, shifts both.
    shifted = torch.cat([torch.zeros(3, 2), mask], dim=1)
    assert plan.taught(shifted)[2].tolist() == [0, 0, 1, 1, 0, 0]


def test_the_highest_are_counted_upwards_and_ties_go_to_the_first():
    value = torch.tensor([[3.0, 1.0, 3.0, 2.0], [9.0, 1.0, 2.0, 3.0]])
    mask = torch.tensor([[1.0, 1, 1, 1], [0, 1, 1, 1]])
    assert highest(value, mask, 0.25).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert highest(value, mask, 0.5).tolist() == [[1, 0, 1, 0], [0, 0, 1, 1]]
    assert highest(value, mask, 1.0).tolist() == mask.tolist()
    ones = torch.ones(1, 35)
    assert highest(ones, ones, 0.2).sum() == 7
    assert highest(value, torch.zeros_like(mask), 0.5).sum() == 0
