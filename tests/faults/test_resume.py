"""Exact resumption: killed at chosen moments, continued, and compared bit for bit with a run left alone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from red.plumbing.partials import partial_of
from red.plumbing.provenance import ROOT
from tests.faults.case import named, succeed, table
from tests.faults.record import SEED
from tests.faults.runs import ENVIRONMENT, MOMENTS, compare, continue_here, planned, whole
from tests.faults.world import World, grade, run_spec

KIND = "exact resume"
pytestmark = [pytest.mark.faults(KIND), pytest.mark.long]
# Function calls inside one entry of a phase, about; an offset beyond the end kills a little later.
LENGTH = {
    "load": 30000,
    "resume": 400,
    "rollout": 5000,
    "grading": 4000,
    "update": 5000,
    "metrics": 70,
    "save": 21000,
    "snapshot": 3200,
    "publish": 690,
    "provenance": 20000,
    "answer": 60,
    "finish": 9000,
    "verdicts": 20,
}
# One training each, killed once in each phase in turn (`phase` or `phase:entry`), then left to finish.
CHAINS = (
    ("red", ("save:2", "publish:1")),
    ("red", ("load:1", "rollout:1", "update:2", "metrics:1", "provenance:1")),
    ("relift", ("rollout:2", "save:1", "update:2", "resume:1")),
    ("bread", ("grading:4", "save:2", "snapshot:1", "publish:1")),
    ("dapo", ("update:1", "save:1", "snapshot:1", "metrics:2")),
    ("srft", ("save:3", "rollout:1", "save:1")),
    ("chord_mu", ("snapshot:1", "update:1", "provenance:1")),
    ("sft", ("metrics:3", "update:1", "publish:1")),
)
OVERRIDES = {"relift": {"second_step": {"buffer": 3}}}
SIGTERMS = ("rollout:2", "update:3", "save:2", "publish:1")
EVALUATION = ("answer:40", "rollout:1", "answer:9", "finish:1", "provenance:1")
VERDICTS = ("verdicts:5", "verdicts:60")


def plan(kill: str, number: int, draw: random.Random) -> dict[str, Any]:
    """A signal somewhere inside the phase."""
    phase, _, entry = kill.partition(":")
    offset = draw.randrange(LENGTH[phase])
    return {"phase": phase, "entry": int(entry or 1), "offset": offset, "signal": number}


def kill_and_finish(kills: Sequence[str], arguments: list[str], draw: random.Random) -> int:
    """Kill the command once per entry of `kills`, then let it finish; returns the kills that came."""
    count = 0
    for kill in kills:
        status, errors = planned(plan(kill, signal.SIGKILL, draw), arguments)
        assert status in (0, -signal.SIGKILL), f"{kill}: status {status}: {errors}"
        count += status != 0
    status, errors = planned({}, arguments)
    assert status == 0, errors
    return count


@pytest.mark.parametrize(
    "method, kills, seed",
    [
        pytest.param(
            method,
            kills,
            SEED + index,
            id=f"{method} killed in {', '.join(kills)}",
            marks=pytest.mark.faults(KIND, count=len(kills)),
        )
        for index, (method, kills) in enumerate(CHAINS)
    ],
)
def test_training(method: str, kills: tuple[str, ...], seed: int, tmp_path: Path, world: World, remark):
    spec = run_spec(method, OVERRIDES.get(method))
    # Otherwise another case may have spared this one the phase `load`.
    shutil.rmtree(world.prompts.parent / "problems", ignore_errors=True)
    count = kill_and_finish(kills, world.train(tmp_path / "run", spec), random.Random(seed))
    assert count == len(kills), f"only {count} kills came"
    compare(whole(world, spec), tmp_path / "run")
    remark(f"{count} kills")


@table("at", "SIGTERM in ", [(at, at) for at in SIGTERMS])
def test_sigterm(at: str, tmp_path: Path, world: World, remark):
    spec = run_spec("red")
    arguments = world.train(tmp_path / "run", spec)
    status, errors = planned(plan(at, signal.SIGTERM, random.Random(at)), arguments)
    grace = status == 128 + signal.SIGTERM
    # After the last step nothing is left to save: the process may end at once.
    assert grace or (status == -signal.SIGTERM and at.startswith("publish")), f"{status}: {errors}"
    assert not grace or list((tmp_path / "run" / "state").glob("state-*.bin"))
    assert planned({}, arguments)[0] == 0
    compare(whole(world, spec), tmp_path / "run")
    remark("stopped after the step" if grace else "stopped after training")


@pytest.mark.faults(KIND, count=6)
@named("killed by the clock, six times")
def test_clock(tmp_path: Path, world: World, remark):
    """SIGKILL from outside, which also lands inside C code and system calls."""
    spec, draw, kills = run_spec("red", steps=80), random.Random(SEED), 0
    arguments = world.train(tmp_path / "run", spec)
    for _ in range(6):
        process = subprocess.Popen([*MOMENTS, "{}", "--", *arguments], cwd=ROOT, env=ENVIRONMENT)
        state = tmp_path / "run" / "state"
        while process.poll() is None and not list(state.glob("state-*.bin")):
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 3))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert planned({}, arguments)[0] == 0
    compare(whole(world, spec), tmp_path / "run")
    remark(f"{kills} kills")


@pytest.mark.faults(KIND, count=len(EVALUATION + VERDICTS))
@named("evaluation killed in " + ", ".join(EVALUATION))
def test_evaluation(tmp_path: Path, world: World, remark):
    draw, count = random.Random(SEED), 0
    for out, kills, verdicts in (("whole", (), ()), ("parts", EVALUATION, VERDICTS)):
        count += kill_and_finish(kills, world.generate(tmp_path / out), draw)
        count += kill_and_finish(verdicts, grade(tmp_path / out, world.benchmarks), draw)
    for name in ("math500.generations.jsonl", "math500.grades.jsonl", "math500.json"):
        left, right = (tmp_path / part / name for part in ("whole", "parts"))
        assert left.read_bytes() == right.read_bytes(), f"{name} differs"
    assert count == len(EVALUATION + VERDICTS), f"only {count} kills came"
    remark(f"{count} kills")


def newest(state: Path) -> Path:
    """The state that a continued run would take."""
    return sorted(state.glob("state-*.bin"))[-1]


def truncated(state: Path) -> None:
    path = newest(state)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flipped(state: Path) -> None:
    content = bytearray(newest(state).read_bytes())
    content[len(content) // 3] ^= 16
    newest(state).write_bytes(content)


def change(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def snapshot(state: Path) -> Path:
    """The weights of the only one."""
    return state / "snapshots" / "step2" / "model.safetensors"


def zeros(state: Path) -> None:
    newest(state).write_bytes(bytes(newest(state).stat().st_size))


def all_truncated(state: Path) -> None:
    for path in state.glob("state-*.bin"):
        path.write_bytes(path.read_bytes()[:100])


def torn_metrics(state: Path) -> None:
    path = state / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


def appended_metrics(state: Path) -> None:
    with (state / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"loss/total":0.1,"train/step":3}\n{"loss/total":0.1,"train/st')


def leftovers(state: Path) -> None:
    partial_of(state / "state-00000004.bin").write_bytes(b"half")
    partial_of(state / "snapshots" / "step2").mkdir()


DAMAGES = (
    ("state truncated: the one before is used", truncated),
    ("state with a flipped bit: the one before is used", flipped),
    ("state full of zeros: the one before is used", zeros),
    ("state empty: the one before is used", lambda state: newest(state).write_bytes(b"")),
    ("all states damaged: from the start", all_truncated),
    ("last metrics line torn", torn_metrics),
    ("metrics ahead of the state", appended_metrics),
    ("files of a killed writer left behind", leftovers),
    ("state folder emptied", shutil.rmtree),
    ("a byte of the first metrics line changed: from the start", lambda state: change(state / "metrics.jsonl", 40)),
    ("a byte of the snapshot changed: from before it", lambda state: change(snapshot(state), 3000)),
    ("snapshot truncated: from before it", lambda state: os.truncate(snapshot(state), 100)),
    ("snapshot gone: from before it", lambda state: shutil.rmtree(snapshot(state).parent)),
    ("the state's owner damaged: set aside", lambda state: change(state / "identity.json", 20)),
)


@pytest.fixture(scope="module")
def stopped(world: World) -> Path:
    """A run with three steps done and two states."""
    run = world.root / "stopped"
    kill = {"phase": "rollout", "entry": 4, "offset": 9, "signal": signal.SIGKILL}
    assert planned(kill, world.train(run, run_spec("red")))[0] == -signal.SIGKILL
    assert len(list((run / "state").glob("state-*.bin"))) == 2
    return run


@table("damage", "", DAMAGES)
def test_damage(damage: Callable[[Path], object], tmp_path: Path, world: World, stopped: Path):
    shutil.copytree(stopped, tmp_path / "run")
    damage(tmp_path / "run" / "state")
    continue_here(world, run_spec("red"), tmp_path / "run")


@named("a state of another spec is set aside")
def test_another_spec(tmp_path: Path, world: World):
    """A run whose learning rate is changed half-way must not pass its old weights off as the new ones."""
    kill = {"phase": "rollout", "entry": 4, "offset": 9, "signal": signal.SIGKILL}
    assert planned(kill, world.train(tmp_path / "run", run_spec("red", lr=1e-3)))[0] == -signal.SIGKILL
    kill["entry"] = 1
    assert planned(kill, world.train(tmp_path / "run", run_spec("red")))[0] == -signal.SIGKILL
    assert (tmp_path / "run" / "state.before").exists()
    continue_here(world, run_spec("red"), tmp_path / "run")
    assert not (tmp_path / "run" / "state.before").exists(), "a finished run keeps no state"


@named("a state of other data is set aside")
def test_other_data(tmp_path: Path, world: World):
    spec, prompts = run_spec("sft"), tmp_path / "prompts.jsonl"
    prompts.write_bytes(b"".join(world.prompts.read_bytes().splitlines(keepends=True)[:40]))
    succeed(world.train(tmp_path / "run", spec, prompts=prompts))
    continue_here(world, spec, tmp_path / "run")


@named("a second process waits for the first")
def test_two_processes(tmp_path: Path, world: World):
    """Two jobs for one run folder, as after `kill -9` of a workflow whose job lives on."""
    spec = replace(run_spec("sft"), seed=4)
    command = [sys.executable, "-m", "red", *world.train(tmp_path / "run", spec)]
    both = [subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert sum("another process is training here; waiting" in text for text in errors) <= 1, errors
    compare(whole(world, spec), tmp_path / "run")
