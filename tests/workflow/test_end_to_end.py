"""The minimal DAG with the real commands, and its report."""

import json

import pandas as pd
import pytest

from red.study.config import load
from red.study.estimate import estimate

pytestmark = pytest.mark.slow
CONFIGFILES = ("--configfile", "minimal.yaml")


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


def test_what_is_kept_on_disk_is_what_the_estimate_says(made):
    """Within half more or less; second names of a file take no room."""
    files = [path.stat() for path in (made.root / "results" / "minimal").rglob("*") if path.is_file()]
    kept = sum({(one.st_dev, one.st_ino): one.st_size for one in files}.values())
    document = load(made.root / "config" / "default.yaml", made.root / "minimal.yaml")
    assert 1 / 1.5 < kept / estimate(document).total.disk < 1.5
    assert not list((made.root / "results" / "minimal").glob("runs/*/*/state"))


def test_nothing_is_left_to_do(made):
    assert made.plan(*CONFIGFILES) == []


def test_the_report_is_one_file_and_its_provenance_another(made):
    text = (made.root / "results" / "minimal" / "report.html").read_text()
    assert "At tiny scale, 3 runs trained for 4 to 6 steps with 1 seed each, evaluated on 9 benchmarks" in text
    assert "These are not results of the paper" in text and "RED reaches " in text
    done = made.snakemake("all", *CONFIGFILES, "--report", "provenance.html")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "How results were made" in (made.root / "provenance.html").read_text()
