"""Numbers that go wrong: every case has a defined end, and none passes unnoticed."""

import json
import math
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file

from red import methods
from red.methods.base import Group, Problem, Sequence
from red.objective.batch import Batch
from red.objective.loss import Loss, objective
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight
from red.plumbing.storage import read_jsonl, read_object
from red.training.spec import RunSpec
from red.training.update import Enrolment
from red.training.weight import StepEntropy, WeightSchedule
from tests.faults.case import named, refusal, succeed, table
from tests.faults.world import World, not_finite, run_spec
from tests.fixtures.runs import SETTINGS, UPDATES

pytestmark = pytest.mark.faults("numbers")
NAN, INF = math.nan, math.inf
HISTORIES: tuple[tuple[str, tuple[tuple[float | None, float | None], ...]], ...] = (
    ("all zero", ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))),
    ("zero, then not", ((0.0, 0.0), (0.5, 0.0), (0.5, 0.7))),
    ("not, then zero", ((1.0, 1.0), (0.0, 0.0), (1.0, 0.0))),
    ("constant", ((1.0, 1.0), (1.0, 1.0), (1.0, 2.0))),
    ("NaN in between", ((1.0, 1.0), (NAN, 1.0), (1.1, NAN), (1.2, 1.5))),
    ("infinite", ((1.0, 1.0), (INF, 1.0), (1.0, -INF), (2.0, 2.0))),
    ("huge", ((1e-300, 1e-300), (1e300, 1e300), (1.0, 1e308))),
    ("unmeasured", ((None, 1.0), (1.0, None), (1.0, 1.0), (None, None), (2.0, 3.0))),
)


@table("history", "entropies ", [(f"{name}: w stays in range", history) for name, history in HISTORIES])
def test_entropies(history: tuple[tuple[float | None, float | None], ...], remark):
    """For every bound and window, also without an upper bound."""
    for low, high, window in ((1.0, 8.0, 1), (0.0, 8.0, 5), (1.0, None, 1), (0.0, None, 3)):
        schedule = WeightSchedule(Weight("entropy_ratio", low=low, high=high, window=window))
        for number, (rollout, demonstration) in enumerate(history):
            w = schedule.step(number, StepEntropy(rollout, demonstration)).w
            assert math.isfinite(w) and low <= w <= (high or INF), (low, high, window, number, w)
        again = WeightSchedule(schedule.spec)
        again.load(json.loads(json.dumps(schedule.state(), allow_nan=False)))
        following = StepEntropy(0.9, 0.8)
        assert again.step(9, following).w == schedule.step(9, following).w
    remark(f"{len(history)} steps, four schedules")


def spoiled(value: float, calls: tuple[int, ...]) -> AbstractContextManager[Any]:
    """The objective with its total replaced in some of the updates (from 1)."""
    count = 0

    def spoiled(batch: Batch, spec: ObjectiveSpec, plan: Any) -> Loss:
        nonlocal count
        count += 1
        loss = objective(batch, spec, plan)
        return replace(loss, total=loss.total * value) if count in calls else loss

    return mock.patch("red.engines.local.policy.objective", spoiled)


def graded(value: float) -> AbstractContextManager[Any]:
    """Every answer gets the same reward."""
    return mock.patch("red.grading.reward.RewardJudge.__call__", lambda self, cases: [value for _ in cases])


def train(world: World, run: Path, spec: RunSpec) -> list[dict[str, Any]]:
    """The metrics of a run that ends well."""
    succeed(world.train(run, spec))
    rows = list(read_jsonl(run / "metrics.jsonl"))  # which refuses NaN and infinity
    assert [row["train/step"] for row in rows] == list(range(len(rows)))
    return rows


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of the final model; all are finite."""
    tensors = load_file(run / "checkpoint" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in tensors.values()), "weights are not finite"
    return tensors


def check_untouched(run: Path, world: World) -> None:
    """The final weights are the base model's."""
    base = load_file(world.base / "model.safetensors")
    assert all(torch.equal(base[name], tensor) for name, tensor in weights(run).items())


@table(
    "value",
    "loss ",
    [(f"{value} once: skipped, counted, saved, training goes on", value) for value in (NAN, INF, -INF)],
)
def test_one_bad_loss(value: float, tmp_path: Path, world: World):
    with spoiled(value, (2,)):
        rows = train(world, tmp_path / "run", run_spec("sft", entropy_every=0))
    assert [row["opt/skipped"] for row in rows] == [0, 1, 1, 1, 1, 1], rows
    weights(tmp_path / "run")
    assert read_object(tmp_path / "run" / "failed_update" / "update.json")["step"] == 1


@named("loss NaN three times: stopped, replay finds nothing wrong with the weights")
def test_three_bad_losses(tmp_path: Path, world: World, remark):
    with spoiled(NAN, (3, 4, 5)):
        line = refusal(world.train(tmp_path / "run", run_spec("sft", entropy_every=0)))
    assert "python -m red replay" in line, line
    succeed(["replay", tmp_path / "run" / "failed_update"])
    remark(line.replace(str(tmp_path), "…"))


@named("gradient NaN under a finite loss: skipped, weights untouched")
def test_bad_gradient(tmp_path: Path, world: World):
    clip_norm, count = torch.nn.utils.clip_grad_norm_, 0

    def clip(parameters: Any, most: float) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == 2:
            parameters[0].grad[0] = NAN
        return clip_norm(parameters, most)

    with mock.patch("torch.nn.utils.clip_grad_norm_", clip):
        rows = train(world, tmp_path / "run", run_spec("sft", entropy_every=0))
    assert [row["opt/skipped"] for row in rows] == [0, 1, 1, 1, 1, 1]
    assert "opt/grad_norm" not in rows[1]
    weights(tmp_path / "run")


def group(*rewards: float) -> Group:
    """Rollouts of three tokens."""
    return Group(Problem("p", (1,), "1"), tuple(Sequence((1,), (2, 3, 4), reward, reward) for reward in rewards))


def overflow(spec: ObjectiveSpec, sign: float) -> tuple[float, torch.Tensor]:
    """Loss and gradient of a policy 800 nats away from the one that sampled."""
    plan = Enrolment.of([group(1.0, 0.0, 1.0, 0.0)], spec).plan(spec, 1.0, None)
    logp = torch.zeros(4, 3, requires_grad=True)
    old = torch.full((4, 3), -800.0 * sign)
    loss = objective(Batch(logp, old, torch.ones(4, 3), torch.ones(4, 3)), spec, plan)
    loss.total.backward()
    assert logp.grad is not None
    return loss.total.item(), logp.grad


@named("ratio of e^800: finite loss or a skipped update, never a broken weight")
def test_ratio(remark):
    """With a clip, without one, either sign."""
    ends = []
    for term in (RolloutTerm(), RolloutTerm(clip_low=None, clip_high=None)):
        for sign in (1.0, -1.0):
            loss, gradient = overflow(ObjectiveSpec(rollout=term), sign)
            applied = math.isfinite(loss) and bool(gradient.isfinite().all())
            ends.append("applied" if applied else "skipped")
            # The engine applies an update only if loss and norm are finite: no third way.
            assert applied or not (math.isfinite(loss) and math.isfinite(gradient.norm().item()))
    remark(", ".join(ends))


@named("weights NaN: one line")
def test_bad_weights(tmp_path: Path, world: World, check):
    parent = world.copy_of_base(tmp_path, not_finite)
    check(r"logits are not finite", world.train(tmp_path / "run", run_spec("red"), parent=parent))


@table(
    "value",
    "all rewards ",
    [("equal: trained, no NaN in any metric", 0.0), ("one: trained, no NaN in any metric", 1.0)],
)
def test_equal_rewards(value: float, tmp_path: Path, world: World, remark):
    """Every method, because each normalizes differently."""
    with graded(value):
        for name in methods.names():
            spec = run_spec(name, SETTINGS.get(name), steps=2, updates_per_rollout=UPDATES.get(name, 1))
            assert len(train(world, tmp_path / name, spec)) == 2
            weights(tmp_path / name)
    remark(f"{len(methods.names())} methods")


@named("every group filtered out: steps without an update")
def test_all_filtered(tmp_path: Path, world: World):
    with graded(0.0):
        rows = train(world, tmp_path / "run", run_spec("dapo", {"filter": "accuracy_variance"}))
    assert len(rows) == 6 and all(row["tokens/trained"] == 0 for row in rows)
    check_untouched(tmp_path / "run", world)


@named("no group at all: steps without an update")
def test_no_groups(tmp_path: Path, world: World):
    with mock.patch("red.methods.base.Mix.__call__", lambda *_: []):
        rows = train(world, tmp_path / "run", run_spec("red", steps=2))
    assert [row["train/groups"] for row in rows] == [0, 0]
    check_untouched(tmp_path / "run", world)


@named("exploding SRFT: stopped early, reason in the provenance")
def test_exploding(tmp_path: Path, world: World, remark):
    """Many updates on rollouts that are all wrong: log pi runs away, the weights stay finite."""
    overrides = {"nll": {"coefficient": 0.0}, "demonstration": {"kind": "none"}, "aggregation": {"length": 40.0}}
    spec = run_spec("srft", overrides, steps=20, lr=5e-2, prompts_per_step=16, updates_per_rollout=16)
    with graded(0.0):
        rows = train(world, tmp_path / "run", spec)
    provenance = read_object(tmp_path / "run" / "provenance.json")
    assert "log pi of wrong members" in provenance["stopped"], provenance["stopped"]
    assert provenance["steps"] == len(rows) < 20, len(rows)
    weights(tmp_path / "run")
    remark(f"stopped at step {len(rows)}")


@named("empty plan: every term is zero")
def test_empty_plan():
    shift = ObjectiveSpec(demonstration=DemonstrationTerm("shift"))
    for spec in (ObjectiveSpec(), shift, ObjectiveSpec(rollout=None)):
        filtered = replace(spec, filter="accuracy_variance")
        plan = Enrolment.of([group(1.0, 1.0)], filtered).plan(filtered, 1.0, None)
        zeros = torch.zeros(0, 3)
        loss = objective(Batch(zeros, zeros, zeros, zeros), spec, plan)
        assert all(value == 0 for value in loss.values().values()), loss


@named("temperature near zero: finite")
def test_cold_sampling(tmp_path: Path, world: World):
    train(world, tmp_path / "run", run_spec("red", temperature=1e-3))
    weights(tmp_path / "run")


@named("demonstration of probability e^-10000: ratio 1 where no rollout is right")
def test_underflow():
    """RED's pi / sg(beta + (1 - beta) pi) where pi is zero in float32: 1 at beta = 0, 0 above."""
    logp = torch.full((2, 1), -1e4, requires_grad=True)
    for kind in ("shift", "shift_through"):
        ratio = demonstration_ratio(logp, logp.detach(), torch.tensor([0.0, 0.5]), DemonstrationTerm(kind))
        assert ratio[:, 0].tolist() == [1.0, 0.0], ratio
        (gradient,) = torch.autograd.grad(ratio.sum(), logp)
        assert gradient.isfinite().all(), gradient
