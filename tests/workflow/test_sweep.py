"""A sweep with the real commands: two methods, two rates, a few steps; then the report of another study shows it."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.slow
FILES = ("--configfile", "config/default.yaml", "config/sweep.yaml", "swept.yaml")
SWEPT = {
    "sweep": {"grid": [1e-3, 2e-3], "seeds": [0], "questions": 6, "samples": 1, "runs": ["sft", "sft_grpo"]},
    "model": {"steps": 20},
    "data": {"prompts": {"count": 60}},
    "common": {"steps": 2, "prompts_per_step": 2, "max_new_tokens": 32},
    "runs": {"sft": {"steps": 2, "prompts_per_step": 4}},
    "evaluation": {"max_new_tokens": 32},
}


def red_sweep(checkout):
    command = [sys.executable, "-m", "red", "sweep"]
    return subprocess.run(command, cwd=checkout.root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made(checkout):
    """The sweep, made once for this module."""
    checkout.overlay("swept.yaml", **SWEPT)
    done = checkout.snakemake("all", "--cores", "all", *FILES)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    return checkout


def test_every_rate_is_measured_on_the_validation_questions(made):
    numbers = pd.read_csv(made.root / "results" / "sweep" / "figures" / "sweep.csv")
    assert numbers[["run", "rate", "seeds"]].values.tolist() == [
        [run, rate, 1] for run in ("sft", "sft_grpo") for rate in (1e-3, 2e-3)
    ]
    scores = pd.read_parquet(made.root / "results" / "sweep" / "collected" / "scores.parquet")
    assert set(scores["benchmark"]) == {"validation"} and scores["problem"].nunique() == 6


def test_the_printed_overlay_is_the_rule_on_these_numbers_and_repeats_no_training_of_it(made):
    numbers = pd.read_csv(made.root / "results" / "sweep" / "figures" / "sweep.csv").query("run == 'sft'")
    highest = numbers[numbers["accuracy"] == numbers["accuracy"].max()]["rate"].min()
    printed = red_sweep(made)
    assert printed.returncode == 0
    rates = yaml.safe_load(printed.stdout)["rates"]
    assert rates["sft"] == highest
    assert ("sft_grpo" in rates) == (highest == 2e-3)  # it started from the configured rate
    (made.root / "rates.yaml").write_text(printed.stdout)
    jobs = made.plan(FILES[0], FILES[1], "rates.yaml", *FILES[2:])
    assert not [job for job in jobs if job.startswith("train sft_lr")]


def test_the_report_of_another_study_shows_the_sweep_that_was_made(made):
    study = ("--configfile", "config/default.yaml", "minimal.yaml")
    runs = made.root / "results" / "minimal" / "runs"
    before = {path: path.stat().st_mtime for path in runs.glob("*/seed*/metrics.jsonl")}  # of other tests
    done = made.snakemake("results/minimal/figures/sweep.json", "--cores", "1", *study, "--config", "items=[sweep]")
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads((made.root / "results" / "minimal" / "figures" / "sweep.json").read_text())
    assert set(facts["chosen"]) == {"sft", "sft_grpo"}
    assert {path: path.stat().st_mtime for path in runs.glob("*/seed*/metrics.jsonl")} == before


def test_where_nothing_was_swept_it_says_so(planned):
    failed = red_sweep(planned)
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1 and "results/sweep" in failed.stderr
