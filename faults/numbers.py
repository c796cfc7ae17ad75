"""Numbers that go wrong: every case has a defined end, and none passes unnoticed."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from faults.case import Attempt, Case, Command
from faults.world import World, run_spec
from red.methods.base import Group, Problem, Sequence
from red.objective.batch import Batch
from red.objective.loss import Loss, objective
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight
from red.plumbing.storage import read_jsonl, read_object
from red.training.spec import RunSpec
from red.training.update import Enrolment
from red.training.weight import StepEntropy, WeightSchedule

KIND = "numbers"
NAN, INF = math.nan, math.inf


def cases(seed: int) -> list[Case]:
    """All of this class; none is random."""
    found = [
        Case(f"loss {value} once: skipped, counted, saved, training goes on", KIND, partial(_bad_loss, value))
        for value in (NAN, INF, -INF)
    ]
    found += [
        Case("loss NaN three times: stopped, replay finds nothing wrong with the weights", KIND, _three_bad),
        Case("gradient NaN under a finite loss: skipped, weights untouched", KIND, _bad_gradient),
        Case("ratio of e^800: finite loss or a skipped update, never a broken weight", KIND, _ratio_overflow),
        Case("weights NaN: one line", KIND, _nan_weights, r"logits are not finite"),
        Case("all rewards equal: trained, no NaN in any metric", KIND, partial(_constant_reward, 0.0)),
        Case("all rewards one: trained, no NaN in any metric", KIND, partial(_constant_reward, 1.0)),
        Case("every group filtered out: steps without an update", KIND, partial(_all_filtered, "dapo")),
        Case("no group at all: steps without an update", KIND, _no_groups),
        Case("exploding SRFT: stopped early, reason in the provenance", KIND, _exploding),
        Case("empty plan: every term is zero", KIND, _empty_plan),
        Case("temperature near zero: finite", KIND, _cold),
        Case("demonstration of probability e^-10000: ratio 1 where no rollout is right", KIND, _underflow),
    ]
    found += [
        Case(f"entropies {name}: w stays in range", KIND, partial(_weights, history))
        for name, history in HISTORIES.items()
    ]
    return found


HISTORIES: dict[str, tuple[tuple[float | None, float | None], ...]] = {
    "all zero": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "zero, then not": ((0.0, 0.0), (0.5, 0.0), (0.5, 0.7)),
    "not, then zero": ((1.0, 1.0), (0.0, 0.0), (1.0, 0.0)),
    "constant": ((1.0, 1.0), (1.0, 1.0), (1.0, 2.0)),
    "NaN in between": ((1.0, 1.0), (NAN, 1.0), (1.1, NAN), (1.2, 1.5)),
    "infinite": ((1.0, 1.0), (INF, 1.0), (1.0, -INF), (2.0, 2.0)),
    "huge": ((1e-300, 1e-300), (1e300, 1e300), (1.0, 1e308)),
    "unmeasured": ((None, 1.0), (1.0, None), (1.0, 1.0), (None, None), (2.0, 3.0)),
}


def _weights(history: tuple, folder: Path, world: World) -> Callable[[], str]:
    """For every bound and window, also without an upper bound."""

    def attempt() -> str:
        for low, high, window in ((1.0, 8.0, 1), (0.0, 8.0, 5), (1.0, None, 1), (0.0, None, 3)):
            schedule = WeightSchedule(Weight("entropy_ratio", low=low, high=high, window=window))
            for number, (rl, sft) in enumerate(history):
                w = schedule.step(number, StepEntropy(rl, sft)).w
                assert math.isfinite(w) and low <= w <= (high or INF), (low, high, window, number, w)
            again = WeightSchedule(schedule.spec)
            again.load(json.loads(json.dumps(schedule.state(), allow_nan=False)))
            following = StepEntropy(0.9, 0.8)
            assert again.step(9, following).w == schedule.step(9, following).w
        return f"{len(history)} steps, four schedules"

    return attempt


def _spoiled(value: float, calls: tuple[int, ...]) -> Any:
    """The objective with its total replaced in some of the updates (from 1)."""
    count = 0

    def spoiled(batch: Batch, spec: ObjectiveSpec, plan: Any) -> Loss:
        nonlocal count
        count += 1
        loss = objective(batch, spec, plan)
        return replace(loss, total=loss.total * value) if count in calls else loss

    return mock.patch("red.engines.local.policy.objective", spoiled)


def _run(world: World, run: Path, spec: RunSpec, **changes: Path) -> list[dict]:
    status, printed = Command.red(*world.train(run, spec, **changes)).run()
    assert status == 0, printed
    rows = list(read_jsonl(run / "metrics.jsonl"))  # which refuses NaN and infinity
    assert [row["train/step"] for row in rows] == list(range(len(rows)))
    return rows


def _weights_of(run: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    found = load_file(run / "checkpoint" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in found.values()), "weights are not finite"
    return found


def _bad_loss(value: float, folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        with _spoiled(value, (2,)):
            rows = _run(world, folder / "run", run_spec("sft", entropy_every=0))
        assert [row["opt/skipped"] for row in rows] == [0, 1, 1, 1, 1, 1], rows
        _weights_of(folder / "run")
        assert read_object(folder / "run" / "failed_update" / "update.json")["step"] == 1

    return attempt


def _three_bad(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        spec = run_spec("sft", entropy_every=0)
        with _spoiled(NAN, (3, 4, 5)):
            status, printed = Command.red(*world.train(folder / "run", spec)).run()
        (line,) = printed.strip().splitlines()
        assert status == 2 and "python -m red replay" in line, line
        status, printed = Command.red("replay", folder / "run" / "failed_update").run()
        assert status == 0, printed
        return line.replace(str(folder), "…")

    return attempt


def _bad_gradient(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        spoil = torch.nn.utils.clip_grad_norm_
        count = 0

        def clip(parameters: list, most: float) -> torch.Tensor:
            nonlocal count
            count += 1
            if count == 2:
                parameters[0].grad[0] = NAN
            return spoil(parameters, most)

        with mock.patch("torch.nn.utils.clip_grad_norm_", clip):
            rows = _run(world, folder / "run", run_spec("sft", entropy_every=0))
        assert [row["opt/skipped"] for row in rows] == [0, 1, 1, 1, 1, 1]
        assert "opt/grad_norm" not in rows[1]
        _weights_of(folder / "run")

    return attempt


def _ratio_overflow(folder: Path, world: World) -> Attempt:
    """A policy 800 nats away from the one that sampled: with a clip, without one, either sign."""

    def attempt() -> str:
        ends = []
        for term in (RolloutTerm(), RolloutTerm(clip_low=None, clip_high=None)):
            for sign in (1.0, -1.0):
                loss, gradient = _overflow(ObjectiveSpec(rollout=term), sign)
                whole = math.isfinite(loss) and bool(gradient.isfinite().all())
                ends.append("applied" if whole else "skipped")
                # The engine applies an update only if loss and norm are finite: no third way.
                assert whole or not (math.isfinite(loss) and math.isfinite(gradient.norm().item()))
        return ", ".join(ends)

    return attempt


def _overflow(spec: ObjectiveSpec, sign: float) -> tuple[float, torch.Tensor]:
    step = Enrolment.of([_group((1.0, 0.0, 1.0, 0.0))], spec).plan(spec, 1.0, None)
    logp = torch.zeros(4, 3, requires_grad=True)
    old = torch.full((4, 3), -800.0 * sign)
    loss = objective(Batch(logp, old, torch.ones(4, 3), torch.ones(4, 3)), spec, step)
    loss.total.backward()
    assert logp.grad is not None
    return loss.total.item(), logp.grad


def _group(rewards: tuple[float, ...]) -> Group:
    members = tuple(Sequence((1,), (2, 3, 4), reward, reward) for reward in rewards)
    return Group(Problem("p", (1,), "1"), members)


def _nan_weights(folder: Path, world: World) -> Attempt:
    from faults.inputs.models import copy_of, not_finite

    parent = copy_of(not_finite, folder, world)
    return Command.red(*world.train(folder / "run", run_spec("red"), parent=parent))


def _verdicts(value: float) -> Any:
    """Every answer gets the same verdict."""
    judged = "red.grading.reward.RewardJudge.__call__"
    return mock.patch(judged, lambda self, cases: [value for _ in cases])


def _constant_reward(value: float, folder: Path, world: World) -> Attempt:
    """Every method, because each normalizes differently."""

    def attempt() -> str:
        from red import methods

        with _verdicts(value):
            for name in methods.names():
                overrides = {"second_step": {"buffer": 3}} if name == "relift" else {}
                rows = _run(world, folder / name, run_spec(name, overrides, steps=2))
                assert len(rows) == 2
                _weights_of(folder / name)
        return f"{len(methods.names())} methods"

    return attempt


def _all_filtered(method: str, folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        with _verdicts(0.0):
            rows = _run(world, folder / "run", run_spec(method, {"filter": "accuracy_variance"}))
        assert len(rows) == 6 and all(row["tokens/trained"] == 0 for row in rows)
        _unchanged(folder / "run", world)

    return attempt


def _no_groups(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        with mock.patch("red.methods.base.Mix.__call__", lambda *_: []):
            rows = _run(world, folder / "run", run_spec("red", steps=2))
        assert [row["train/groups"] for row in rows] == [0, 0]
        _unchanged(folder / "run", world)

    return attempt


def _unchanged(run: Path, world: World) -> None:
    from safetensors.torch import load_file

    base = load_file(world.base / "model.safetensors")
    assert all(torch.equal(base[name], tensor) for name, tensor in _weights_of(run).items())


def _exploding(folder: Path, world: World) -> Attempt:
    """Many updates on rollouts that are all wrong: log pi runs away, the weights stay finite."""

    def attempt() -> str:
        overrides = {"nll": {"coefficient": 0.0}, "demonstration": {"kind": "none"}}
        overrides["aggregation"] = {"length": 40.0}
        spec = run_spec("srft", overrides, steps=20, lr=5e-2, prompts_per_step=16, updates_per_rollout=16)
        with _verdicts(0.0):
            rows = _run(world, folder / "run", spec)
        facts = read_object(folder / "run" / "provenance.json")
        assert "log pi of wrong rollouts" in facts["stopped"], facts["stopped"]
        assert facts["steps"] == len(rows) < 20, len(rows)
        _weights_of(folder / "run")
        return f"stopped at step {len(rows)}"

    return attempt


def _empty_plan(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        for spec in (
            ObjectiveSpec(),
            ObjectiveSpec(demonstration=DemonstrationTerm("shift")),
            ObjectiveSpec(rollout=None),
        ):
            filtered = replace(spec, filter="accuracy_variance")
            nothing = Enrolment.of([_group((1.0, 1.0))], filtered).plan(filtered, 1.0, None)
            zeros = torch.zeros(0, 3)
            loss = objective(Batch(zeros, zeros, zeros, zeros), spec, nothing)
            assert all(value == 0 for value in loss.values().values()), loss

    return attempt


def _underflow(folder: Path, world: World) -> Attempt:
    """RED's pi / sg(beta + (1 - beta) pi) where pi is zero in float32: 1 at beta = 0, 0 above."""

    def attempt() -> None:
        logp = torch.full((2, 1), -1e4, requires_grad=True)
        for kind in ("shift", "shift_through"):
            ratio = demonstration_ratio(logp, torch.tensor([0.0, 0.5]), DemonstrationTerm(kind))
            assert ratio[:, 0].tolist() == [1.0, 0.0], ratio
            (gradient,) = torch.autograd.grad(ratio.sum(), logp)
            assert gradient.isfinite().all(), gradient

    return attempt


def _cold(folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        _run(world, folder / "run", run_spec("red", temperature=1e-3))
        _weights_of(folder / "run")

    return attempt
