"""Every method's loss, terms, gradients and schedules against literal numbers.

Those in literal_losses.json were computed by `plain.py`: the equations in plain Python, with constants of its own.
"""

import json
import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from red import methods
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan, with_mean_gains
from red.study import config
from red.training.schedule import mixture_mu
from red.training.weight import StepEntropy, WeightSchedule
from tests.methods import plain

STORED = json.loads(plain.FILE.read_text())
INPUTS = STORED["inputs"]
CONFIG = Path(__file__).parents[2] / "config"


@cache
def shipped(scale):
    """Loss of every run of the shipped configuration, for responses as long as the literal ones."""
    files = [CONFIG / "default.yaml"] + ([CONFIG / "paper.yaml"] if scale == "paper" else [])
    document = config.load(*files)
    specs = {run: config.run_spec(document, run, 0) for run in document["runs"]}
    return {run: methods.method(spec.method, spec.overrides).objective for run, spec in specs.items()}


def loss_of(part, name):
    return methods.method(name).objective if part == "methods" else shipped("tiny")[name]


def tensors(rows):
    longest = max(len(row["mask"]) for row in rows)

    def padded(key):
        values = [row.get(key) or [math.nan] * len(row["mask"]) for row in rows]  # without a teacher
        return torch.tensor([row + [0.0] * (longest - len(row)) for row in values], dtype=torch.float64)

    def column(key):
        return torch.tensor([row[key] for row in rows], dtype=torch.float64)

    batch = Batch(
        padded("logp").requires_grad_(),
        padded("old_logp"),
        padded("entropy").requires_grad_(),
        padded("mask"),
        padded("teacher_logp"),
    )
    group = torch.tensor([row["group"] for row in rows])
    is_demonstration = torch.tensor([row["is_demonstration"] for row in rows])
    members = Members(group, is_demonstration, column("reward"), column("accuracy"), batch.mask_st.sum(1))
    prefix = torch.tensor([row.get("prefix", 0) for row in rows])
    return batch, replace(
        members, prefix_s=prefix, prefix_kept_s=torch.tensor([row.get("prefix_kept", True) for row in rows])
    )


def computed(spec, case, inputs):
    """What `plain.literals` gives, from the product."""
    rows = plain.sequences_of(inputs, case.members)
    batch, members = tensors(rows)
    spec = replace(spec, aggregation=spec.aggregation.resolved(inputs["limit"]))
    schedule = WeightSchedule(spec.weight, plain.SEED, plain.SOURCE)
    entropies = zip(inputs["entropy_rollout"], inputs["entropy_demonstration"], strict=True)
    weights = [schedule.step(number, StepEntropy(*pair)).w for number, pair in enumerate(entropies)]
    mus = [mixture_mu(step, spec.mixture) if spec.mixture else 0.0 for step in inputs["mu_steps"]]
    marked = None
    if spec.weight.target == "random":
        marked = torch.zeros(len(rows), dtype=torch.bool).index_fill(0, torch.tensor(inputs["marked"]), True)
    whole = plan(members, spec, weights[-1], mus[-1] if spec.mixture else None, marked)
    if spec.rollout is not None and spec.rollout.kind == "gvpo":
        whole = with_mean_gains(whole, batch, spec.rollout, members.group_s)
    loss = objective(batch, spec, whole)
    by_logp, by_entropy = torch.autograd.grad(
        loss.total, (batch.logp_st, batch.entropy_st), allow_unused=True, materialize_grads=True
    )
    lengths = [len(row["mask"]) for row in rows]
    return {
        "w": weights,
        "mu": mus,
        **loss.values(),
        "by_logp": [values[:n] for values, n in zip(by_logp.tolist(), lengths, strict=True)],
        "by_entropy": [values[:n] for values, n in zip(by_entropy.tolist(), lengths, strict=True)],
    }


def assert_same(found, expected, path):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key in expected:
            assert_same(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{path}[{index}]")
    else:
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-10), path


@pytest.mark.parametrize("name", plain.METHODS)
def test_a_method_is_its_equation(name):
    assert_same(computed(loss_of("methods", name), plain.METHODS[name], INPUTS), STORED["methods"][name], name)


@pytest.mark.parametrize("name", plain.RUNS)
def test_a_run_with_constants_of_its_own_is_its_equation(name):
    assert_same(computed(loss_of("runs", name), plain.RUNS[name], INPUTS), STORED["runs"][name], name)


def drawn(seed):
    """Inputs like the literal ones, at random: groups of 1 to 4 rollouts, with and without a demonstration."""
    draw = random.Random(seed)

    def sequence(group, is_demonstration):
        length = draw.randint(1, 5)
        logp = [math.log(draw.uniform(1e-4, 1)) for _ in range(length)]
        accuracy = float(draw.random() < 0.5)
        return {
            "group": group,
            "is_demonstration": is_demonstration,
            "reward": accuracy - draw.choice([0.0, draw.random()]),
            "accuracy": accuracy,
            "mask": [draw.choice([0, 1]) for _ in range(length - 1)] + [1],
            "logp": logp,
            "old_logp": [x + draw.gauss(0, 0.3) for x in logp],
            "entropy": [draw.uniform(0, 3) for _ in range(length)],
            "teacher_logp": [math.log(draw.uniform(1e-6, 1)) for _ in range(length)] if draw.random() < 0.8 else None,
        }

    sequences = [
        sequence(group, is_demonstration)
        for group in range(draw.randint(1, 5))
        for is_demonstration in [False] * draw.randint(1, 4) + [True] * draw.randint(int(group == 0), 1)
    ]
    steps = range(draw.randint(2, 14))
    return {
        "limit": draw.randint(5, 200),
        "marked": draw.sample(range(len(sequences)), 1 + len(sequences) // 4),
        "mu_steps": [draw.randint(0, 300) for _ in steps],
        "entropy_rollout": [draw.uniform(0.1, 2) for _ in steps],
        "entropy_demonstration": [draw.uniform(0.1, 2) for _ in steps],
        "sequences": sequences,
    }


@pytest.mark.parametrize("name", plain.METHODS)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_method_is_its_equation_on_any_step(name, seed):
    inputs, case = drawn(seed), plain.METHODS[name]
    assert_same(computed(loss_of("methods", name), case, inputs), plain.literals(case, inputs), name)


def test_the_stored_numbers_are_those_of_the_equations():
    assert_same(json.loads(json.dumps(plain.document(INPUTS))), STORED, "literal_losses.json")


def test_every_method_has_literal_numbers():
    missing = sorted(set(methods.names()) - plain.METHODS.keys())
    assert not missing, (
        f"{', '.join(missing)}: write the equation in tests/methods/plain.py (METHODS), then run "
        "python -m tests.methods.plain"
    )


def without_source(spec):
    """Another run whose logged w is used is no other loss."""
    return replace(spec, weight=replace(spec.weight, source=None))


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_every_loss_that_a_shipped_run_has_is_covered(scale):
    covered = [methods.method(name).objective for name in plain.METHODS] + [shipped("tiny")[run] for run in plain.RUNS]
    losses = [without_source(spec) for spec in covered]
    missing = sorted(run for run, spec in shipped(scale).items() if without_source(spec) not in losses)
    assert not missing, (
        f"{', '.join(missing)}: write the equation in tests/methods/plain.py (RUNS), then run "
        "python -m tests.methods.plain"
    )


def test_the_inputs_reach_every_constant():
    """Both upper clip edges and the lower one, for both signs; rewards as close as epsilon; w beyond its bounds."""
    rollouts = [s for s in INPUTS["sequences"] if not s["is_demonstration"]]
    for right in (True, False):
        ratios = [
            torch.tensor(new - old).exp().item()
            for s in rollouts
            if s["group"] == 0 and bool(s["accuracy"]) is right
            for new, old in zip(s["logp"], s["old_logp"], strict=True)
        ]
        assert any(1.2 < r < 1.28 for r in ratios) and any(r > 1.28 for r in ratios) and any(r < 0.8 for r in ratios)
    rewards = [s["reward"] for s in rollouts if s["group"] == 4]
    assert 0 < max(rewards) - min(rewards) < 1e-5
    raw = STORED["runs"]["red_clip_1_inf"]["w"]
    assert any(7 < w < 8 for w in raw) and max(raw) > 1000 and min(STORED["runs"]["red_clip_0_g"]["w"]) < 1
