"""Every item, found by listing the folder: from a whole study and from ten-row frames."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.items import claims
from analysis.listing import builder, listing
from analysis.measures.compare import ALPHA
from analysis.output.item import Figure, Table
from analysis.output.write import csv, latex, markdown
from analysis.parts.style import plt
from red.tables.reader import Tables, from_frames, read_reported
from tests.fixtures import synthetic

WITHOUT_RUNS = {"pipeline", "objective_forms", "propositions", "methods"}
ELSEWHERE = {"sweep", "forgetting", "rotation"}  # of other studies: tests/analysis/test_sweep.py, test_forgetting.py
ITEMS = listing()
ORIGIN = {"spec_hash": "a", "code": "b", "method": "red"}


@pytest.fixture(params=sorted(ITEMS))
def item(request: pytest.FixtureRequest) -> str:
    yield request.param
    plt.close("all")


@pytest.fixture(scope="module")
def ten_rows(reported) -> Tables:
    """One finished run, one missing, ten rows in each table."""
    problems = [f"p{index}" for index in range(5)]
    scores = pd.DataFrame(
        {
            "run": "red",
            "seed": 0,
            "benchmark": "math500",
            "group": "math",
            "metric": "pass_at_1",
            "problem": problems * 2,
            "sample": [0] * 5 + [1] * 5,
            "correct": [True, False] * 5,
            "correct_lenient": True,
            "reason": "",
            "tokens": range(10, 20),
            "truncated": False,
        }
    )
    metrics = ["entropy/rollout", "entropy/demonstration", "red/w", "length/rollout", "grad/cosine"]
    dynamics = pd.DataFrame(
        {"run": "red", "seed": 0, "step": [1] * 5 + [2] * 5, "metric": metrics * 2, "value": [0.5, 0.25] * 5}
    )
    probes = pd.DataFrame(
        {
            "run": "red",
            "seed": 0,
            "probe": "tokens",
            "step": 2,
            "example": "p0",
            "position": [0, 1, 2, 3, 4] * 2,
            "token": ["Wait", ", ", "so", ".", "<eos>"] * 2,
            "quantity": ["p_trained"] * 5 + ["p_base"] * 5,
            "value": [0.5, 0.25] * 5,
        }
    )
    shared = {"scale": "tiny", "row_group": "red", "items": sorted(ITEMS), "steps": 2, "spec": {}}
    runs = [
        {"run": "red", "method": "red", "seed": 0, "status": "done", "label": "RED", **shared},
        {"run": "luffy", "method": "luffy", "seed": 0, "status": "missing", "label": "LUFFY", **shared},
    ]
    frames = (frame.assign(**ORIGIN) for frame in (scores, dynamics, probes))
    return from_frames(runs, list(synthetic.benchmarks()), *frames, read_reported(reported))


def test_every_item_builds_from_a_whole_study(item, build):
    result = build(item)
    assert isinstance(result, Table if ITEMS[item].kind == "table" else Figure)
    assert len(result.numbers) > 0 or item in ELSEWHERE
    assert len(csv(result.numbers).splitlines()) == len(result.numbers) + 1


def test_every_item_builds_from_ten_rows_and_names_the_missing_run(item, ten_rows):
    result = builder(item)(ten_rows)
    if item not in WITHOUT_RUNS and "LUFFY" in str(result.facts.get("runs")):
        assert "LUFFY (all seeds)" in result.facts["missing"]
        assert "LUFFY (all seeds)" in result.caption


def test_what_is_missing_is_named_once_and_in_words(item, ten_rows):
    """Not each metric of a run that is missing as a whole, nor the step of a probe that nobody took."""
    result = builder(item)(ten_rows)
    missing = result.facts.get("missing", [])
    assert len(missing) == len(set(missing)) and "None" not in " ".join(missing)
    assert not [one for one in missing if one.startswith(("entropy/", "red/", "ratio/")) and one.endswith("of LUFFY")]


def test_captions_are_plain_text(item, build):
    """They stand in HTML, LaTeX and Markdown."""
    assert "`" not in build(item).caption + ITEMS[item].text


def test_every_measured_item_says_what_was_run(item, build):
    result = build(item)
    if item in WITHOUT_RUNS:
        assert "Scale" not in result.caption
        return
    if item in ELSEWHERE:
        assert "not measured" in result.picture.axes[0].texts[0].get_text()
        return
    assert result.title.startswith("[tiny scale] ")
    assert "not comparable with the paper's numbers" in result.caption
    assert "seeds 0, 1" in result.caption or "seed 0" in result.caption
    assert result.facts["scale"] == "tiny"
    assert result.facts["runs"]


def test_every_table_has_as_many_cells_as_columns(item, build):
    result = build(item)
    if isinstance(result, Table):
        assert {len(row.cells) for row in result.rows} == {len(result.columns)}
        assert not result.spans or sum(width for _, width in result.spans) == len(result.columns)
        ampersands = {
            line.count("&") - line.count(r"\&")
            for line in latex(result, item).splitlines()
            if line.endswith(r"\\") and "&" in line and "multicolumn" not in line
        }
        assert ampersands == {len(result.columns)}
        assert markdown(result).startswith("**")


def test_titles_do_not_say_tiny_at_paper_scale(ten_rows):
    at_paper = replace(ten_rows, runs=tuple(replace(run, scale="paper") for run in ten_rows.runs))
    assert builder("hyperparameters")(at_paper).title == "Clipping range and window of the weight w"


def test_a_run_without_scores_is_shown_as_missing(build):
    row = next(row for row in build("ablations").rows if row.label == "w scrambled")
    assert {cell.text for cell in row.cells[1:-1]} == {"missing"}
    assert row.cells[0].text == "0"


def test_main_results_keep_measured_and_reported_apart(build):
    numbers = build("main_results").numbers
    cell = numbers.query("run == 'red' and column == 'math500' and metric == 'accuracy'").iloc[0]
    assert cell["reported"] == 80.8
    assert cell["value"] != 80.8
    assert cell["low"] <= cell["value"] <= cell["high"]
    assert (cell["seeds"], cell["units"]) == (2, 10)


def test_a_verdict_is_what_the_threshold_of_its_claim_says(build):
    """Where a sign and a p-value decide: shown exactly where the row's own words hold."""
    signs = {claims.ABOVE: 1, claims.BELOW: -1}
    numbers = build("claims").numbers.query("verdict in ('shown', 'not shown', 'opposite')")
    numbers = numbers[numbers["threshold"].isin(signs) & numbers["p"].notna()]
    assert set(numbers["threshold"]) == set(signs) and len(numbers) > 15
    for row in numbers.itertuples():
        assert (row.verdict == "shown") == (row.effect * signs[row.threshold] > 0 and row.p < ALPHA), row.claim


def test_overall_is_the_unweighted_mean_of_six(build):
    numbers = build("main_results").numbers.query("run == 'sft' and metric == 'accuracy'")
    columns = numbers.set_index("column")["value"]
    assert columns.drop("overall").mean() == pytest.approx(columns["overall"])


def test_two_builds_write_the_same_bytes(collected, reported, tmp_path):
    for name in ("robustness", "out_of_range"):
        for folder in ("first", "second"):
            arguments = ["--collected", str(collected), "--reported", str(reported)]
            assert main([name, *arguments, "--out", str(tmp_path / folder)]) == 0
    first = sorted((tmp_path / "first").rglob("*.*"))
    assert [path.name for path in first] == sorted(
        [
            "out_of_range.csv",
            "out_of_range.html",
            "out_of_range.json",
            "out_of_range.pdf",
            "out_of_range.png",
            "out_of_range.svg",
            "red.sha256",
            "red.sha256",
            "robustness.csv",
            "robustness.html",
            "robustness.json",
            "robustness.md",
            "robustness.tex",
        ]
    )
    for path in first:
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()
    facts = json.loads((tmp_path / "first" / "tables" / "robustness.json").read_text())
    assert facts["samples"] == {"math500": 2, "aime25": 8}


def test_a_missing_folder_ends_with_one_line(tmp_path, reported, capsys):
    status = main(["cost", "--collected", str(tmp_path), "--reported", str(reported), "--out", str(tmp_path)])
    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1
