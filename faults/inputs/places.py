"""Places that refuse: a full or read-only disk, no permission, a clock that jumps."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from faults.case import Attempt, Case, Command, Untestable
from faults.resume import compare, continue_here, whole
from faults.world import World, run_spec
from red.plumbing.provenance import ROOT

NOBODY = 65534
# Sizes at which the disk is full at the first state, at a later one, at the snapshot, and at the end.
FULL = ("64k", "1m", "2500k", "4m", "5m")


def cases(kind: str) -> list[Case]:
    """Each resumes, once there is room, to the result of an undisturbed run."""
    found = [Case(f"disk of {size} full while training", kind, partial(_full_training, size)) for size in FULL]
    found += [
        Case("disk full while answering", kind, _full_evaluation),
        Case("disk full while making data", kind, partial(_full_data, "prompts")),
        Case("disk full while making a model", kind, partial(_full_data, "model")),
        Case("read-only disk", kind, _read_only),
        Case("prompts that may not be read", kind, partial(_forbidden, "prompts.jsonl"), quick=False),
        Case("weights that may not be read", kind, partial(_forbidden, "models/base/model.safetensors"), quick=False),
        Case("tokenizer that may not be read", kind, partial(_forbidden, "models/base/tokenizer.json"), quick=False),
        Case("folder that may not be written", kind, partial(_forbidden, "out"), quick=False),
        Case("clock that jumps back and forth", kind, partial(_clock, itertools.cycle((0.0, -86400.0, 1e9)))),
        Case("clock at the epoch", kind, partial(_clock, itertools.repeat(-1e10))),
        Case("inputs dated in the future", kind, _future),
    ]
    return found


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A small file system in memory; needs the right to mount."""
    place = folder / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True
    )
    if done.returncode:
        raise Untestable(f"no right to mount a tmpfs: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)


def _refused(command: Command, *words: str) -> str:
    status, printed = command.run()
    lines = [line for line in printed.splitlines() if line.strip()]
    assert status == 2 and len(lines) == 1, f"status {status}: {printed}"
    assert any(word in lines[0] for word in words), lines[0]
    return lines[0].split("/")[-1]


def _full_training(size: str, folder: Path, world: World) -> Attempt:
    from red.engines.local import policy as local

    def attempt() -> str:
        spec = run_spec("red")
        with disk(folder, size) as place, mock.patch.object(local, "STATE_SECONDS", 0.0):
            run = place / "run"
            said = _refused(Command.red(*world.train(run, spec)), "No space left on device")
            _remount(place, "size=64m")
            continue_here(world, spec, run)
        return said

    return attempt


def _full_evaluation(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        with disk(folder, "16k") as place:
            said = _refused(Command.red(*world.generate(place / "out")), "No space left on device")
            _remount(place, "size=64m")
            for out in (place / "out", folder / "whole"):
                status, printed = Command.red(*world.generate(out)).run()
                assert status == 0, printed
            name = "math500.generations.jsonl"
            assert (place / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes()
        return said

    return attempt


def _full_data(kind: str, folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        with disk(folder, "8k") as place:
            spec = {"prompts": '{"count": 64}', "model": '{"steps": 1}'}[kind]
            command = Command.red("data", kind, "--spec", spec, "--out", place / "out")
            said = _refused_after_progress(command, "No space left on device")
            assert not (place / "out").exists(), "a part of the product has its final name"
        return said

    return attempt


def _refused_after_progress(command: Command, word: str) -> str:
    status, printed = command.run()
    assert status == 2 and word in printed.splitlines()[-1], f"status {status}: {printed}"
    return printed.splitlines()[-1].split("/")[-1]


def _read_only(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        with disk(folder, "8m") as place:
            _remount(place, "ro")
            return _refused(Command.red(*world.train(place / "run", run_spec("sft"))), "Read-only file system")

    return attempt


def _forbidden(name: str, folder: Path, world: World) -> Attempt:
    """As an ordinary user: root may do everything."""

    def attempt() -> str:
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            place.chmod(0o755)
            for path in (world.root / "models", world.root / "demonstrations"):
                shutil.copytree(path, place / path.name)
            shutil.copy(world.prompts, place)
            (place / "out").mkdir()
            if os.getuid() == 0:
                os.chown(place / "out", NOBODY, NOBODY)
            (place / name).chmod(0o555 if name == "out" else 0)
            arguments = World(place).train(place / "out" / "run", run_spec("sft", steps=1))
            done = _as_ordinary_user(arguments)
            assert done.returncode == 2, done.stderr
            (line,) = done.stderr.strip().splitlines()
            assert "Permission denied" in line, line
            return line.split("/")[-1]

    return attempt


def _as_ordinary_user(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "red", *arguments]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            raise Untestable("root ignores file modes, and there is no setpriv to become somebody else")
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    reaches = subprocess.run(
        [*command[: command.index("-m")], "-c", "import red.data"], env=environment, capture_output=True, cwd="/"
    )
    if reaches.returncode:
        raise Untestable("an ordinary user cannot read this checkout or its Python")
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", timeout=300)


def _clock(jumps: Iterator[float], folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        spec, real = run_spec("red"), time.time
        expected = whole(world, spec)
        with mock.patch("time.time", lambda: real() + next(jumps)):
            assert Command.red(*world.train(folder / "run", spec)).run()[0] == 0
        compare(expected, folder / "run")
        seconds = _seconds(folder / "run")
        assert 0 <= seconds < 600, seconds
        return f"provenance says {seconds:.0f} s"

    return attempt


def _seconds(run: Path) -> float:
    from red.plumbing.storage import read_object

    return float(read_object(run / "provenance.json")["seconds"])


def _future(folder: Path, world: World) -> Callable[[], None]:
    def attempt() -> None:
        spec = run_spec("red")
        prompts = folder / "prompts.jsonl"
        shutil.copy(world.prompts, prompts)
        later = time.time() + 10 * 365 * 86400
        os.utime(prompts, (later, later))
        assert Command.red(*world.train(folder / "run", spec, prompts=prompts)).run()[0] == 0
        compare(whole(world, spec), folder / "run")

    return attempt
