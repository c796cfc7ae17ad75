"""Runs left alone, runs under a plan of `moments`, and the comparison of both bit for bit."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from red.plumbing import checksums
from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_jsonl
from red.training.spec import RunSpec
from tests.faults.case import succeed
from tests.faults.world import World

TIMED = ("time/", "gpu/hours")
MOMENTS = (sys.executable, "-m", "tests.faults.moments")
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


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
    """Contents by name, without the model's card, which names the commit that others may move, the account of its
    pretraining, which has the processor time, and the hashes of both."""
    own = ("README.md", "pretraining.json", checksums.NAME)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in own]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def planned(plan: dict[str, Any], arguments: Sequence[str]) -> tuple[int, str]:
    """Exit status (negative: the signal) and stderr of a `red` command under a plan of `moments`."""
    done = subprocess.run(
        [*MOMENTS, json.dumps(plan), "--", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stderr


def whole(world: World, spec: RunSpec) -> Path:
    """The same run left alone, made once per world."""
    out = world.root / "whole" / f"{spec.method}-{spec.seed}-{spec.training.steps}"
    if not (out / "provenance.json").exists():
        shutil.rmtree(out, ignore_errors=True)
        status, errors = planned({}, world.train(out, spec))
        assert status == 0, errors
    return out


def continue_here(world: World, spec: RunSpec, run: Path) -> None:
    """Finish a run in this process and compare it."""
    succeed(world.train(run, spec))
    compare(whole(world, spec), run)
