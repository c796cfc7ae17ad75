"""A benchmark of one's own, added to the invented study: its column, its label, its part in the means."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from analysis.listing import builder
from red.tables.reader import Tables, load

MINE = {"benchmark": "mine", "label": "Mine", "group": "math", "metric": "pass_at_1", "source": "local"}


@pytest.fixture(scope="module")
def raw(collected) -> pd.DataFrame:
    """Scores of the study and, as `mine`, all first samples of Minerva."""
    scores = pd.read_parquet(collected / "scores.parquet")
    rows = scores[(scores["benchmark"] == "minerva") & (scores["sample"] == 0)]
    return pd.concat([scores, rows.assign(benchmark="mine", metric="pass_at_1")], ignore_index=True)


@pytest.fixture(scope="module")
def tables(collected, raw, reported, tmp_path_factory) -> Tables:
    folder = tmp_path_factory.mktemp("own") / "collected"
    shutil.copytree(collected, folder)
    raw.to_parquet(folder / "scores.parquet", index=False)
    entries = json.loads((folder / "benchmarks.json").read_text())
    (folder / "benchmarks.json").write_text(json.dumps([*entries, MINE]))
    return load(folder, reported)


@pytest.fixture(scope="module")
def table_2(tables):
    return builder("main_results")(tables)


def test_it_has_the_last_column_and_no_star_and_the_synthetic_ones_have_one(table_2):
    heads = [title for title, _ in table_2.spans if title]
    assert heads == ["AIME24*", "AIME25*", "AMC*", "MATH500*", "Minerva*", "Olympiad*", "Mine", "Overall"]
    assert "Mine 8 problems x 1" in table_2.caption


def test_its_accuracy_enters_the_overall_mean(table_2, raw):
    rows = raw[(raw["run"] == "red") & (raw["group"] == "math")]
    problems = rows.groupby(["benchmark", "seed", "problem"])["correct"].mean()
    by_hand = 100 * problems.groupby("benchmark").mean()
    numbers = table_2.numbers.query("run == 'red' and metric == 'accuracy'").set_index("column")["value"]
    assert numbers["mine"] == pytest.approx(by_hand["mine"])
    assert numbers["overall"] == pytest.approx(by_hand.mean()) and len(by_hand) == 7


def test_the_papers_mean_is_not_set_beside_a_mean_over_other_benchmarks(table_2, build):
    cells = table_2.numbers.query("run == 'red' and metric == 'accuracy'").set_index("column")["reported"]
    assert cells["math500"] == 80.8 and pd.isna(cells["overall"])
    assert "The paper's Overall is over other benchmarks" in table_2.caption
    usual = build("main_results").numbers.query("run == 'red' and metric == 'accuracy'").set_index("column")
    assert usual["reported"]["overall"] == 41.6 and "other benchmarks" not in build("main_results").caption


def test_the_other_items_over_the_group_have_it_too(tables):
    assert builder("paired_tests")(tables).columns[-1] == "Mine"
    assert "Mine 8 problems" in builder("cost")(tables).caption
    assert "Mine 8" not in builder("out_of_domain")(tables).caption
    assert "Mine 8" not in builder("reported_vs_measured")(tables).caption


def test_a_study_of_one_group_has_an_empty_table_3_and_no_error(tables):
    only_math = replace(tables, benchmarks=tuple(one for one in tables.benchmarks if one.group == "math"))
    assert builder("out_of_domain")(only_math).columns == ("Seeds", "Avg")
    assert builder("claims")(only_math).rows
