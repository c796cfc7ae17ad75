"""results.json: complete, by hand checkable, and as documented."""

import json

import pandas as pd
import pytest

from red.__main__ import main
from red.tables.export import SCHEMA, export
from tests.fixtures import synthetic


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    return synthetic.write(tmp_path_factory.mktemp("study") / "collected", steps=20, fraction=0.1)


@pytest.fixture(scope="module")
def document(collected):
    return export(collected)


def test_accuracy_is_the_mean_over_problems_of_the_mean_over_samples(collected, document):
    rows = pd.read_parquet(collected / "scores.parquet")
    rows = rows.query("run == 'red' and seed == 0 and benchmark == 'amc'")
    found = next(r for r in document["scores"] if (r["run"], r["seed"], r["benchmark"]) == ("red", 0, "amc"))
    assert found["accuracy"] == pytest.approx(rows.groupby("problem")["correct"].mean().mean())
    assert found["first"] == pytest.approx(rows[rows["sample"] == 0]["correct"].mean())
    assert (found["problems"], found["samples"]) == (rows["problem"].nunique(), rows["sample"].nunique())


def test_the_last_training_metrics_are_those_of_the_last_step(collected, document):
    rows = pd.read_parquet(collected / "dynamics.parquet")
    rows = rows.query("run == 'red' and seed == 0 and metric == 'entropy/rollout'").sort_values("step")
    found = next(r for r in document["training"] if (r["run"], r["seed"]) == ("red", 0))["last"]["entropy/rollout"]
    assert found == {"step": rows["step"].iloc[-1], "value": rows["value"].iloc[-1]}


def test_every_key_is_documented(document, repository):
    text = (repository / "docs" / "results-schema.md").read_text()
    assert SCHEMA in text and document["schema"] == SCHEMA
    keys = {*document, *document["scores"][0], *document["runs"][0], *document["training"][0]}
    assert [key for key in keys if key not in text] == []


def test_the_command_writes_it_and_a_missing_folder_is_one_line(collected, tmp_path, capsys):
    out = tmp_path / "results.json"
    assert main(["export", "--collected", str(collected), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["schema"] == SCHEMA
    assert main(["export", "--collected", str(tmp_path), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
