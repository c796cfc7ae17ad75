"""The minimal DAG with the real commands, its report, and every recipe of `docs` added to it."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.slow
CONFIGFILES = ("--configfile", "minimal.yaml")
METHOD = '''"""A method of one file: GRPO whose clip is half as wide."""

from red.methods.base import Method
from red.objective.spec import ObjectiveSpec, RolloutTerm

METHOD = Method(objective=ObjectiveSpec(rollout=RolloutTerm(clip_low=0.1, clip_high=0.1)))
'''


@pytest.fixture(scope="module")
def made(checkout):
    """The minimal DAG, made once for this module."""
    done = checkout.snakemake("all", "--cores", "all", *CONFIGFILES)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    return checkout


def test_every_run_is_collected_and_every_item_is_there(made):
    results = made.root / "results" / "minimal"
    runs = json.loads((results / "collected" / "runs.json").read_text())
    assert {run["run"] for run in runs} == {"base", "sft", "red", "grpo_sft_early"}
    assert all(run["status"] == "done" for run in runs)
    table = pd.read_csv(results / "tables" / "main_results.csv")
    assert {"base", "sft", "red"} <= set(table["run"])
    assert (results / "figures" / "training_dynamics.svg").stat().st_size > 1000
    assert "tiny" in (results / "tables" / "main_results.md").read_text().splitlines()[0].lower()


def test_each_score_names_its_spec_and_code(made):
    results = made.root / "results" / "minimal"
    scores = pd.read_parquet(results / "collected" / "scores.parquet")
    provenance = json.loads((results / "runs" / "red" / "seed0" / "provenance.json").read_text())
    rows = scores[scores["run"] == "red"]
    assert set(rows["spec_hash"]) == {provenance["spec_hash"]}
    assert set(rows["code"]) == {provenance["code"]}
    # the benchmarks' own sizes, with 2 samples where the overlay says so
    assert len(rows[rows["benchmark"] == "aime24"]) == 60


def test_nothing_is_left_to_do(made):
    assert made.plan(*CONFIGFILES) == []


def test_the_report_is_one_file(made):
    done = made.snakemake("all", *CONFIGFILES, "--report", "report.html")
    assert done.returncode == 0, done.stderr[-2000:]
    text = (made.root / "report.html").read_text()
    assert "These are not results of the paper" in text


def test_a_method_an_ablation_a_benchmark_and_an_item_are_added_and_run(made):
    (made.root / "red/methods/narrow.py").write_text(METHOD)
    source = (made.root / "analysis/items/propositions.py").read_text()
    (made.root / "analysis/items/again.py").write_text(source)
    problems = [{"id": f"own-{i}", "problem": f"Compute {i}+2", "answer": str(i + 2)} for i in range(3)]
    (made.root / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    overlay = made.overlay(
        "more.yaml",
        only=["red", "grpo_sft_early", "narrow", "red_window3"],
        runs={
            "narrow": {"method": "narrow", "label": "Narrow", "items": ["main_results"]},
            "red_window3": {"like": "red", "weight": {"window": 3}},
        },
        benchmarks={
            "own": {
                "source": "own",
                "data_dir": ".",
                "file": "own.jsonl",
                "grader": "math",
                "metric": "pass_at_1",
                "samples": 1,
                "group": "math",
            }
        },
        items=["main_results", "again"],
    )
    done = made.snakemake("all", "--cores", "all", "--configfile", "minimal.yaml", overlay)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    results = made.root / "results" / "minimal"
    scores = pd.read_parquet(results / "collected" / "scores.parquet")
    assert {"narrow", "red_window3"} <= set(scores["run"])
    assert len(scores[scores["benchmark"] == "own"]) == 3 * scores["run"].nunique()
    assert (results / "tables" / "again.csv").is_file()
