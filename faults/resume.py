"""Exact resumption: killed at chosen moments, continued, and compared bit for bit with a run left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from faults.case import Case
from faults.world import World, run_spec
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl
from red.training.spec import RunSpec

KIND = "exact resume"
TIMED = ("time/", "gpu/hours")
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


@dataclass(frozen=True)
class Chain:
    """One training, killed once in each phase in turn (`phase` or `phase:entry`), then left to finish."""

    method: str
    kills: tuple[str, ...]
    overrides: tuple[tuple[str, Any], ...] = ()
    quick: bool = False

    @property
    def spec(self) -> RunSpec:
        """The run."""
        return run_spec(self.method, dict(self.overrides))


CHAINS = (
    Chain("red", ("save:2", "publish:1"), quick=True),
    Chain("red", ("load:1", "rollout:1", "update:2", "metrics:1", "provenance:1")),
    Chain("relift", ("rollout:2", "save:1", "update:2", "resume:1"), (("second_step", {"buffer": 3}),)),
    Chain("bread", ("grading:4", "save:2", "snapshot:1", "publish:1")),
    Chain("dapo", ("update:1", "save:1", "snapshot:1", "metrics:2")),
    Chain("srft", ("save:3", "rollout:1", "save:1")),
    Chain("chord_mu", ("snapshot:1", "update:1", "provenance:1")),
    Chain("sft", ("metrics:3", "update:1", "publish:1")),
)
SIGTERMS = ("rollout:2", "update:3", "save:2", "publish:1")
EVALUATION = ("answer:40", "rollout:1", "answer:9", "finish:1", "provenance:1")


def cases(seed: int) -> list[Case]:
    """All of this class."""
    found = [
        Case(
            f"{chain.method} killed in {', '.join(chain.kills)}",
            KIND,
            partial(_chain, chain, seed + i),
            quick=chain.quick,
            faults=len(chain.kills),
        )
        for i, chain in enumerate(CHAINS)
    ]
    found += [Case(f"SIGTERM in {at}", KIND, partial(_sigterm, at), quick=False) for at in SIGTERMS]
    found.append(Case("killed by the clock, six times", KIND, partial(_by_the_clock, seed), quick=False, faults=6))
    found.append(
        Case(
            "evaluation killed in " + ", ".join(EVALUATION),
            KIND,
            partial(_evaluation, seed),
            quick=False,
            faults=len(EVALUATION) + 2,
        )
    )
    found += [Case(name, KIND, partial(_damaged, damage)) for name, damage in DAMAGES.items()]
    found += [
        Case("a state of another spec is set aside", KIND, _other_spec),
        Case("a state of other data is set aside", KIND, _other_data),
        Case("a second process waits for the first", KIND, _waits),
    ]
    return found


def compare(left: Path, right: Path, inputs: bool = True) -> None:
    """Metrics (but times), final weights, snapshots, and the facts of the provenance are equal.

    `inputs` False leaves out the hashes of the inputs: a parent's card names the commit.
    """
    assert _metrics(left) == _metrics(right), "metrics differ"
    for name in ("checkpoint", "snapshots"):
        ours, theirs = _files(left / name), _files(right / name)
        assert ours.keys() == theirs.keys(), f"{name}: {sorted(ours)} and {sorted(theirs)}"
        for file in ours:
            assert ours[file] == theirs[file], f"{name}/{file} differs"
    ours, theirs = (json.loads((path / "provenance.json").read_text()) for path in (left, right))
    for key in ("spec", "spec_hash", "steps", "stopped", "data", *(["inputs"] if inputs else [])):
        assert ours[key] == theirs[key], f"provenance: {key} differs"


def _metrics(run: Path) -> list[dict[str, Any]]:
    rows = read_jsonl(run / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith(TIMED)} for row in rows]


def _files(folder: Path) -> dict[str, bytes]:
    """Contents by name, without the model's card: it names the commit, which others may move."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "README.md"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def whole(world: World, spec: RunSpec) -> Path:
    """The same run left alone, made once per world."""
    out = world.root / "whole" / f"{spec.method}-{spec.seed}-{spec.training.steps}"
    if not (out / "provenance.json").exists():
        shutil.rmtree(out, ignore_errors=True)
        status, errors = execute({}, world.train(out, spec))
        assert status == 0, errors
    return out


def execute(plan: dict[str, Any], arguments: Sequence[str]) -> tuple[int, str]:
    """Exit status (negative: the signal) and stderr of a command under a plan of `faults.moments`."""
    done = subprocess.run(
        [sys.executable, "-m", "faults.moments", json.dumps(plan), "--", *arguments],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _plan(kill: str, number: int, draw: random.Random) -> dict[str, Any]:
    phase, _, entry = kill.partition(":")
    offset = draw.randrange(LENGTH[phase])
    return {"phase": phase, "entry": int(entry or 1), "offset": offset, "signal": number}


def _killed(kills: Sequence[str], arguments: list[str], draw: random.Random) -> int:
    """Kill the command once per entry of `kills`, then let it finish; returns the kills that came."""
    done = 0
    for kill in kills:
        status, errors = execute(_plan(kill, signal.SIGKILL, draw), arguments)
        assert status in (0, -signal.SIGKILL), f"{kill}: status {status}: {errors}"
        done += status != 0
    status, errors = execute({}, arguments)
    assert status == 0, errors
    return done


def _chain(chain: Chain, seed: int, folder: Path, world: World) -> Callable[[], str]:
    def attempt() -> str:
        arguments = world.train(folder / "run", chain.spec)
        done = _killed(chain.kills, arguments, random.Random(seed))
        assert done == len(chain.kills), f"only {done} kills came"
        compare(whole(world, chain.spec), folder / "run")
        return f"{done} kills"

    return attempt


def _sigterm(at: str, folder: Path, world: World) -> Callable[[], str]:
    def attempt() -> str:
        spec = run_spec("red")
        arguments = world.train(folder / "run", spec)
        status, errors = execute(_plan(at, signal.SIGTERM, random.Random(at)), arguments)
        grace = status == 128 + signal.SIGTERM
        # After the last step nothing is left to save: the process may end at once.
        assert grace or (status == -signal.SIGTERM and at.startswith("publish")), f"{status}: {errors}"
        assert not grace or list((folder / "run" / "state").glob("state-*.bin"))
        assert execute({}, arguments)[0] == 0
        compare(whole(world, spec), folder / "run")
        return "stopped after the step" if grace else "stopped after training"

    return attempt


def _by_the_clock(seed: int, folder: Path, world: World) -> Callable[[], str]:
    """SIGKILL from outside, which also lands inside C code and system calls."""

    def attempt() -> str:
        spec, draw, kills = run_spec("red", steps=40), random.Random(seed), 0
        arguments = world.train(folder / "run", spec)
        for _ in range(6):
            process = subprocess.Popen(
                [sys.executable, "-m", "faults.moments", "{}", "--", *arguments],
                cwd=ROOT,
                env=_environment(),
                stderr=subprocess.DEVNULL,
            )
            begun = folder / "run" / "state"
            while process.poll() is None and not list(begun.glob("state-*.bin")):
                time.sleep(0.05)
            time.sleep(draw.uniform(0, 3))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        assert execute({}, arguments)[0] == 0
        compare(whole(world, spec), folder / "run")
        return f"{kills} kills"

    return attempt


def _evaluation(seed: int, folder: Path, world: World) -> Callable[[], str]:
    def attempt() -> str:
        draw, done = random.Random(seed), 0
        for out, kills in ((folder / "whole", ()), (folder / "parts", EVALUATION)):
            done += _killed(kills, world.generate(out), draw)
            done += _killed(["verdicts:5", "verdicts:60"][: len(kills)], world.grade(out), draw)
        for name in ("math500.generations.jsonl", "math500.grades.jsonl", "math500.json"):
            left, right = (folder / part / name for part in ("whole", "parts"))
            assert left.read_bytes() == right.read_bytes(), f"{name} differs"
        assert done == len(EVALUATION) + 2, f"only {done} kills came"
        return f"{done} kills"

    return attempt


Damage = Callable[[Path], None]


def _stopped(world: World, folder: Path) -> tuple[RunSpec, Path]:
    """A run with three steps done and two states, made once per world and copied."""
    spec, model = run_spec("red"), world.root / "stopped"
    if not model.exists():
        plan = {"phase": "rollout", "entry": 4, "offset": 9, "signal": signal.SIGKILL}
        assert execute(plan, world.train(model, spec))[0] == -signal.SIGKILL
        assert len(list((model / "state").glob("state-*.bin"))) == 2
    shutil.copytree(model, folder / "run")
    return spec, folder / "run"


def _damaged(damage: Damage, folder: Path, world: World) -> Callable[[], None]:
    def attempt() -> None:
        spec, run = _stopped(world, folder)
        damage(run / "state")
        continue_here(world, spec, run)

    return attempt


def continue_here(world: World, spec: RunSpec, run: Path) -> None:
    """Finish a run in this process and compare it."""
    from red.__main__ import main

    assert main(world.train(run, spec)) == 0
    compare(whole(world, spec), run)


def _newest(state: Path) -> Path:
    return sorted(state.glob("state-*.bin"))[-1]


def _truncated(state: Path) -> None:
    path = _newest(state)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _flipped(state: Path) -> None:
    content = bytearray(_newest(state).read_bytes())
    content[len(content) // 3] ^= 16
    _newest(state).write_bytes(content)


def _zeros(state: Path) -> None:
    _newest(state).write_bytes(bytes(_newest(state).stat().st_size))


def _all_truncated(state: Path) -> None:
    for path in state.glob("state-*.bin"):
        path.write_bytes(path.read_bytes()[:100])


def _torn_metrics(state: Path) -> None:
    path = state / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


def _appended_metrics(state: Path) -> None:
    with (state / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"loss/total":0.1,"train/step":3}\n{"loss/total":0.1,"train/st')


def _leftovers(state: Path) -> None:
    (state / ".state-00000004.bin.77.partial").write_bytes(b"half")
    (state / ".step2.77.partial").mkdir()


DAMAGES: dict[str, Damage] = {
    "state truncated: the one before is used": _truncated,
    "state with a flipped bit: the one before is used": _flipped,
    "state full of zeros: the one before is used": _zeros,
    "state empty: the one before is used": lambda state: _newest(state).write_bytes(b""),
    "all states damaged: from the start": _all_truncated,
    "last metrics line torn": _torn_metrics,
    "metrics ahead of the state": _appended_metrics,
    "files of a killed writer left behind": _leftovers,
    "state folder emptied": lambda state: shutil.rmtree(state),
}


def _other_spec(folder: Path, world: World) -> Callable[[], None]:
    """A finished run whose learning rate is changed must not pass its old weights off as the new ones."""

    def attempt() -> None:
        from red.__main__ import main

        old, new = run_spec("sft", lr=1e-3), run_spec("sft")
        assert main(world.train(folder / "run", old)) == 0
        continue_here(world, new, folder / "run")
        assert (folder / "run" / "state.before").exists()

    return attempt


def _other_data(folder: Path, world: World) -> Callable[[], None]:
    def attempt() -> None:
        from red.__main__ import main

        spec, prompts = run_spec("sft"), folder / "prompts.jsonl"
        prompts.write_bytes(b"".join(world.prompts.read_bytes().splitlines(keepends=True)[:40]))
        assert main(world.train(folder / "run", spec, prompts=prompts)) == 0
        continue_here(world, spec, folder / "run")

    return attempt


def _waits(folder: Path, world: World) -> Callable[[], None]:
    """Two jobs for one run folder, as after `kill -9` of a workflow whose job lives on."""

    def attempt() -> None:
        spec = replace(run_spec("sft"), seed=4)
        command = [sys.executable, "-m", "red", *world.train(folder / "run", spec)]
        both = [
            subprocess.Popen(command, cwd=ROOT, env=_environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)
        ]
        errors = [process.communicate(timeout=300)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], errors
        assert sum("another process is training here; waiting" in text for text in errors) <= 1, errors
        compare(whole(world, spec), folder / "run")

    return attempt
