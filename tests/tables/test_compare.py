"""`red compare` on invented results, and its arithmetic on a table one can check by hand."""

import json

import pandas as pd
import pytest

from red.__main__ import main
from red.tables.compare import compare
from tests.fixtures import synthetic

NONE = pd.DataFrame({"run": [], "seed": [], "step": [], "metric": [], "value": []})


def scores(first: list[float], second: list[float]) -> pd.DataFrame:
    rows = [
        {"run": run, "seed": 0, "benchmark": "amc", "group": "math", "problem": f"p{n}", "accuracy": value}
        for run, values in (("a", first), ("b", second))
        for n, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder / "collected", steps=20, fraction=0.1)
    return folder


def test_difference_and_flips_are_those_of_the_table():
    found = compare(("a", "b"), scores([1, 1, 0.75, 0], [1, 0, 0.5, 1]), NONE)
    assert found.tests[0].difference == pytest.approx(0.0625)
    assert found.tests[1].benchmark == "amc" and found.tests[1].problems == 4
    assert [(flip.problem, flip.first, flip.second) for flip in found.flips] == [("p1", 1, 0), ("p3", 0, 1)]


def test_only_problems_that_both_answered_count():
    found = compare(("a", "b"), scores([1, 1, 0], [1, 0]), NONE)
    assert found.tests[0].problems == 2


def test_the_same_answers_are_not_separable():
    found = compare(("a", "b"), scores([1, 0, 1], [1, 0, 1]), NONE)
    assert found.tests[0].difference == 0 and found.tests[0].p == 1


def test_the_command_prints_and_writes_both_formats(results, tmp_path, capsys):
    for name in ("x.md", "x.json"):
        assert main(["compare", "red", "grpo", "--results", str(results), "--out", str(tmp_path / name)]) == 0
    printed = capsys.readouterr().out
    assert "mean of math" in printed and "entropy/rollout" in printed and "flipped" in printed
    document = json.loads((tmp_path / "x.json").read_text())
    assert {test["benchmark"] for test in document["tests"]} >= {"amc", "mean of math"}
    assert (tmp_path / "x.md").read_text().startswith("# red against grpo")


@pytest.mark.parametrize(("name", "answer"), [("rde", "did you mean 'red'?"), ("zzzzzz", "luffy")])
def test_an_unknown_run_is_one_line_with_the_nearest_or_all_names(name, answer, results, capsys):
    assert main(["compare", "red", name, "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert f"{name!r}" in error and answer in error and error.count("\n") == 1


def test_missing_results_are_one_line(tmp_path, capsys):
    assert main(["compare", "red", "grpo", "--results", str(tmp_path)]) == 2
    said = "no collected tables here; make the study first, or name the folder of another one with --results"
    assert capsys.readouterr().err == f"red compare: {tmp_path}: {said}\n"
