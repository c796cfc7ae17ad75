"""Places that refuse: a full or read-only disk, no permission, a clock that jumps."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest

from red.engines.local import policy as local
from red.plumbing.storage import read_object
from red.training.loop import Loop
from tests.faults.case import Program, execute, named, refusal, succeed, table
from tests.faults.runs import ENVIRONMENT, compare, continue_here, whole
from tests.faults.study import Study
from tests.faults.test_tables import REPORTED
from tests.faults.world import World, run_spec

pytestmark = pytest.mark.faults("bad input")
NOBODY = 65534
# Sizes at which the disk is full at the first state, at a later one, at the snapshot, and at the end.
FULL = ("64k", "1m", "2500k", "4m", "5m")
NO_SPACE = "No space left on device"
Arguments = Callable[[Study, Path], list[str]]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no right to mount a tmpfs: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, option: str) -> None:
    """Change its size, or whether it may be written."""
    subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)


def files(folder: Path) -> dict[str, bytes]:
    """Contents by name, without the logs from which a stage continues."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith("state/")}


def tail(line: str) -> str:
    """The part of a message that names no folder."""
    return line.split("/")[-1]


@table("size", "disk of ", [(f"{size} full while training", size) for size in FULL])
def test_full_training(size: str, disk: Path, world: World, monkeypatch, remark):
    """It resumes, once there is room, to the result of an undisturbed run."""
    monkeypatch.setattr(local, "STATE_SECONDS", 0.0)
    remount(disk, f"size={size}")
    line = refusal(world.train(disk / "run", run_spec("red")))
    assert NO_SPACE in line, line
    remount(disk, "size=64m")
    continue_here(world, run_spec("red"), disk / "run")
    remark(tail(line))


@named("disk full while answering")
def test_full_evaluation(disk: Path, tmp_path: Path, world: World, remark):
    remount(disk, "size=16k")
    line = refusal(world.generate(disk / "out"))
    assert NO_SPACE in line, line
    remount(disk, "size=64m")
    for out in (disk / "out", tmp_path / "whole"):
        succeed(world.generate(out))
    name = "math500.generations.jsonl"
    assert (disk / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    remark(tail(line))


@table(
    "kind, spec",
    "disk full while making ",
    [("data", "prompts", '{"count": 64}'), ("a model", "model", '{"steps": 1}')],
)
def test_full_data(kind: str, spec: str, disk: Path, remark):
    remount(disk, "size=8k")
    status, errors = execute(["data", kind, "--spec", spec, "--out", disk / "out"])
    line = errors.splitlines()[-1]  # after those about progress
    assert status == 2 and NO_SPACE in line, f"status {status}: {errors}"
    assert not (disk / "out").exists(), "a part of the product has its final name"
    remark(tail(line))


def tables(study: Study) -> list[str]:
    """Arguments of what is made from collected tables."""
    return ["--collected", str(study.results / "collected")]


def item(name: str) -> Arguments:
    """Arguments of an analysis."""
    return lambda study, out: [name, *tables(study), "--reported", str(REPORTED), "--out", str(out)]


# What writes, and its arguments for a folder that holds the answers of a finished run.
STAGES: tuple[tuple[str, Program, Arguments], ...] = (
    ("grading", "red", lambda study, out: study.grade(out)),
    ("probing", "red", lambda study, out: study.probe(out / "probe.parquet")),
    ("collecting", "red", lambda study, out: study.collect(out / "collected")),
    ("exporting", "red", lambda study, out: ["export", *tables(study), "--out", str(out / "results.json")]),
    ("making a table", "analysis", item("cost")),
    ("drawing a figure", "analysis", item("entropy_trends")),
)


def fill(place: Path) -> None:
    """Leave room for one page."""
    used = os.statvfs(place)
    remount(place, f"size={(used.f_blocks - used.f_bfree + 1) * used.f_frsize}")


@table("program, arguments", "disk full while ", STAGES)
def test_full_stage(program: Program, arguments: Arguments, disk: Path, tmp_path: Path, study: Study, remark):
    for out in (disk / "out", tmp_path / "whole"):
        shutil.copytree(study.evaluation, out, ignore=shutil.ignore_patterns("*.grades.jsonl"))
    before = files(disk / "out")
    fill(disk)
    status, errors = execute(arguments(study, disk / "out"), program)
    line = errors.splitlines()[-1]  # after those about progress
    assert status == 2 and NO_SPACE in line, f"status {status}: {errors}"
    assert files(disk / "out") == before, "a part of the product has its final name"
    remount(disk, "size=64m")
    for out in (disk / "out", tmp_path / "whole"):
        succeed(arguments(study, out), program)
    assert files(disk / "out") == files(tmp_path / "whole") != before
    remark(tail(line))


@named("read-only disk")
def test_read_only(disk: Path, world: World, remark):
    remount(disk, "ro")
    line = refusal(world.train(disk / "run", run_spec("sft")))
    assert "Read-only file system" in line, line
    remark(tail(line))


@table(
    "name",
    "",
    [
        ("prompts that may not be read", "prompts.jsonl"),
        ("weights that may not be read", "models/base/model.safetensors"),
        ("tokenizer that may not be read", "models/base/tokenizer.json"),
        ("folder that may not be written", "out"),
    ],
)
def test_permissions(name: str, world: World, remark):
    """As an ordinary user: root may do everything."""
    with tempfile.TemporaryDirectory() as temporary:  # which others may enter, unlike pytest's folders
        place = Path(temporary)
        place.chmod(0o755)
        for path in (world.root / "models", world.root / "demonstrations"):
            shutil.copytree(path, place / path.name)
        shutil.copy(world.prompts, place)
        (place / "out").mkdir()
        if os.getuid() == 0:
            os.chown(place / "out", NOBODY, NOBODY)
        (place / name).chmod(0o555 if name == "out" else 0)
        done = as_ordinary_user(World(place).train(place / "out" / "run", run_spec("sft", steps=1)))
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "Permission denied" in line, line
    remark(tail(line))


def as_ordinary_user(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A `red` command; skips where nobody else may be become, or may read this checkout."""
    user = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root ignores file modes, and there is no setpriv to become somebody else")
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    environment = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    if subprocess.run(
        [*user, sys.executable, "-c", "import red.data"], env=environment, cwd="/", capture_output=True
    ).returncode:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    command = [*user, sys.executable, "-m", "red", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", timeout=300)


@table("jumps", "clock ", [("that jumps back and forth", (0.0, -86400.0, 1e9)), ("at the epoch", (-1e10,))])
def test_clock(jumps: Iterable[float], tmp_path: Path, world: World):
    spec, clock, offsets = run_spec("red"), time.time, itertools.cycle(jumps)
    expected = whole(world, spec)
    with mock.patch("time.time", lambda: clock() + next(offsets)):
        succeed(world.train(tmp_path / "run", spec))
    compare(expected, tmp_path / "run")
    seconds = float(read_object(tmp_path / "run" / "provenance.json")["seconds"])
    assert 0 <= seconds < 600, seconds


@named("prompts changed while training: the provenance has what was read")
def test_changed(tmp_path: Path, world: World):
    prompts, step = tmp_path / "prompts.jsonl", Loop.train_step
    shutil.copy(world.prompts, prompts)

    def changing(loop: Loop, number: int) -> dict[str, float]:
        prompts.write_text("")
        return step(loop, number)

    with mock.patch.object(Loop, "train_step", changing):
        succeed(world.train(tmp_path / "run", run_spec("red"), prompts=prompts))
    compare(whole(world, run_spec("red")), tmp_path / "run")


@named("metrics damaged while training: refused in the end, and the same command finishes it")
def test_damaged_metrics(tmp_path: Path, world: World):
    path, step = tmp_path / "run" / "state" / "metrics.jsonl", Loop.train_step

    def cutting(loop: Loop, number: int) -> dict[str, float]:
        if number == 3:
            path.write_bytes(path.read_bytes()[:-30])
        return step(loop, number)

    with mock.patch.object(Loop, "train_step", cutting):
        status, errors = execute(world.train(tmp_path / "run", run_spec("red")))
    assert status == 2 and "metrics.jsonl: damaged after 2 of 6 steps; start again" in errors, errors
    continue_here(world, run_spec("red"), tmp_path / "run")


@named("inputs dated in the future")
def test_future(tmp_path: Path, world: World):
    prompts = tmp_path / "prompts.jsonl"
    shutil.copy(world.prompts, prompts)
    later = time.time() + 10 * 365 * 86400
    os.utime(prompts, (later, later))
    succeed(world.train(tmp_path / "run", run_spec("red"), prompts=prompts))
    compare(whole(world, run_spec("red")), tmp_path / "run")
