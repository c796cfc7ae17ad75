"""SFT does not depend on how an update is cut into passes, not even through the optimizer.

Two faults of public trainers did: losses averaged inside each micro-batch, and an optimizer that got the first
micro-batch's gradient only (docs/methods.md section 17.8). Both are made here once, to see that they would be noticed.
"""

from pathlib import Path

import pytest
import torch

from red.engines.local.adamw import AdamW
from red.engines.local.policy import LocalPolicy
from red.methods import method
from red.methods.base import Group, Problem, Sequence
from red.models.passes import parts
from red.objective.loss import objective
from red.training.spec import Training
from red.training.update import Enrolment, Update, pairs
from tests.training import toy

SPEC = method("sft").objective
# The second half is longer than the first: a mean of means is then another mean.
LENGTHS = (2, 3, 2, 3, 8, 8, 14, 14)
EXACT = 1e-6


def policy(tokens):
    weights = toy.base()
    training = Training("local", 1, 8, 1, 28, 1e-2, weight_decay=0.05, tokens_per_forward=tokens)
    optimizer = AdamW(list(weights.model.parameters()), training.lr, training.betas, training.weight_decay)
    return LocalPolicy(weights, training, Path(), {"main": optimizer})


def groups():
    random = torch.Generator().manual_seed(3)

    def words(count):
        return tuple(torch.randint(2, len(toy.WORDS), (count,), generator=random).tolist())

    demonstrations = [Sequence(words(3), words(length), 1.0, 1.0, is_demonstration=True) for length in LENGTHS]
    return [Group(Problem(str(i), s.prompt, "1"), (s,)) for i, s in enumerate(demonstrations)]


def update(policy, groups, skip=None):
    enrolled = Enrolment.of(groups, SPEC)
    before = policy.forward(enrolled.sequences)
    plan = enrolled.plan(SPEC, 1.0, None)
    return Update(0, enrolled.sequences, SPEC, plan, before, True, 1e-2, 1e9, "main", 0, skip)


def gradient(policy, groups):
    made = update(policy, groups)
    objective(made.before.batch(made.before), SPEC, made.plan).total.backward()
    return flat(p.grad for p in policy.weights.model.parameters())


def moved(tokens, groups):
    """What one step does to the weights."""
    one = policy(tokens)
    start = flat(one.weights.model.parameters())
    one.step(update(one, groups))
    return flat(one.weights.model.parameters()) - start


def flat(tensors):
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


def gap(left, right):
    return ((left - right).norm() / right.norm()).item()


@pytest.mark.parametrize(("tokens", "count"), [(44, 2), (23, 4), (1, 8)])
def test_any_number_of_passes_gives_the_gradient_and_the_step_of_one(tokens, count):
    taught = groups()
    assert len(list(parts(pairs([g.members[0] for g in taught]), tokens))) == count
    assert gap(gradient(policy(tokens), taught), gradient(policy(10**6), taught)) < EXACT
    assert gap(moved(tokens, taught), moved(10**6, taught)) < EXACT


def test_the_two_faults_would_be_noticed():
    taught = groups()
    whole, first, second = (gradient(policy(10**6), part) for part in (taught, taught[:4], taught[4:]))
    assert gap((first + second) / 2, whole) > 0.1
    assert gap(moved(10**6, taught[:4]), moved(10**6, taught)) > 0.1
