"""A training in a Slurm job that the controller requeues in the middle."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

from faults.resume import compare, whole
from faults.world import World, run_spec
from red.plumbing.provenance import ROOT

MINUTES = 10


def requeued(folder: Path, world: World) -> str:
    """Submit, requeue once two steps are done, wait, compare."""
    spec, run, script = run_spec("red", steps=40), folder / "run", folder / "job.sh"
    command = [sys.executable, "-m", "faults.moments", "{}", "--", *world.train(run, spec)]
    script.write_text(f"#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexport OMP_NUM_THREADS=1\nexec {shlex.join(command)}\n")
    job = _slurm("sbatch", "--parsable", "--requeue", f"--output={folder}/log", str(script)).split(";")[0]
    _until(lambda: len(list((run / "state").glob("state-*.bin"))) == 2, job)
    _slurm("scontrol", "requeue", job)
    # A requeued job waits before it may start again.
    _until(lambda: (run / "provenance.json").exists(), job)
    compare(whole(world, spec), run)
    return "requeued once"


def _slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def _until(done: object, job: str) -> None:
    deadline = time.monotonic() + 60 * MINUTES
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline, _slurm("scontrol", "show", "job", job)
        time.sleep(0.5)
