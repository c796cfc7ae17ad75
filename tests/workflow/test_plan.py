"""Dry runs: what would be done, how soon it is known, and that it is clean."""

import subprocess
import sys
from pathlib import Path

import pytest

from red.study import config
from red.study.jobs import evaluated, trained


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml")


@pytest.fixture(scope="module")
def jobs(planned) -> list[str]:
    return planned.plan()


def test_every_run_and_seed_is_trained_exactly_once(jobs, tiny):
    wanted = sorted(f"train {run} {seed}" for run, seed in trained(tiny))
    assert [job for job in jobs if job.startswith("train ")] == wanted


def test_every_checkpoint_is_generated_and_graded_once_for_all_benchmarks(jobs, tiny):
    wanted = sorted(f"generate {run} {seed}" for run, seed in evaluated(tiny))
    assert [job for job in jobs if job.startswith("generate ")] == wanted
    assert sum(job.startswith("grade ") for job in jobs) == len(wanted)


def test_every_item_of_the_configuration_has_a_rule(jobs, tiny):
    assert set(tiny["items"]) <= set(jobs)


def test_a_selection_brings_what_it_starts_from(planned):
    overlay = planned.overlay("some.yaml", only=["sft_dapo", "red_w_constant"], seeds=[1])
    jobs = planned.plan("--configfile", overlay)
    trained = [job for job in jobs if job.startswith("train ")]
    assert trained == ["train red 1", "train red_w_constant 1", "train sft 1", "train sft_dapo 1"]


def test_the_linter_is_content(planned):
    done = planned.snakemake("--lint")
    assert done.returncode == 0, (done.stderr + done.stdout)[-2000:]


def test_the_formatter_changes_nothing(repository):
    command = [sys.executable, "-m", "snakefmt", "--check", "workflow"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_paper_is_planned_within_15_seconds(planned):
    assert planned.seconds("--configfile", "config/paper.yaml") < 15
