"""The minimal DAG through `--profile slurm` on a real controller, with one training cancelled half-way."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slurm
MINUTES, STEPS = 25, 150
# Long enough to be caught half-way.
SLOW = {"runs": {"red": {"steps": STEPS, "because": "long enough to be cancelled half-way"}}}


def test_a_cancelled_training_continues_and_the_dag_finishes(checkout, environment, tmp_path):
    overlay = checkout / "slow.yaml"
    overlay.write_text(json.dumps(SLOW))
    log = (tmp_path / "snakemake.log").open("w")
    dag = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "snakemake",
            "all",
            "--profile",
            "slurm",
            "--slurm-init-seconds-before-status-checks",
            "2",
            "--seconds-between-status-checks",
            "2",
            "--configfile",
            "config/default.yaml",
            "minimal.yaml",
            overlay.name,
        ],
        cwd=checkout,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )
    run = checkout / "results" / "minimal" / "runs" / "red" / "seed0"
    try:
        steps = cancel_when_begun(dag, run / "state" / "metrics.jsonl", environment)
        assert dag.wait(timeout=60 * MINUTES) == 0, Path(log.name).read_text()[-3000:]
    finally:
        if dag.poll() is None:
            dag.terminate()
            dag.wait(timeout=120)
    logged = [json.loads(line)["train/step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert 0 < steps < STEPS
    assert logged == list(range(STEPS)), "every step once, in order"
    assert (checkout / "results" / "minimal" / "tables" / "main_results.csv").is_file()
    text = Path(log.name).read_text()
    assert "Trying to restart job" in text and "Slurm answers: main (" in text


def cancel_when_begun(dag: subprocess.Popen, metrics: Path, environment: dict[str, str]) -> int:
    """`scancel` the training of `red` once it has made some steps; returns how many."""
    deadline = time.monotonic() + 60 * MINUTES
    while dag.poll() is None and time.monotonic() < deadline:
        lines = metrics.read_text().count("\n") if metrics.exists() else 0
        if lines >= 5:
            job = job_of("wildcards_red", environment)
            if job:
                subprocess.run(["scancel", job], check=True, env=environment)
                return lines
        time.sleep(0.2)
    raise AssertionError("the training of `red` did not begin")


def job_of(comment: str, environment: dict[str, str]) -> str | None:
    """The running job whose comment names the rule `train` and this run."""
    listing = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING", "--format=%i|%k"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    ).stdout
    for line in listing.splitlines():
        job, _, said = line.partition("|")
        if "train" in said and comment in said:
            return job
    return None
