"""The report: what it says of a study in two sentences, its scoreboard, its curves, and foreign text as text."""

import gzip
import json
import re
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from analysis.output.item import Cell, Row, Table
from analysis.output.write import write
from analysis.report.__main__ import main
from analysis.report.curves import Curve, of_tables, packed
from analysis.report.made import made
from analysis.report.outcome import claims_of, scoreboard, what_came_out, what_was_run
from analysis.report.page import HERE, page

NAMES = ("pipeline", "overview", "claims", "out_of_range")
NO_CURVES = {"metrics": [], "runs": [], "steps": [], "lines": [], "every": 1}
HEADS = ("Where", "Needs", "Verdict", "Measured", "Shown if", "p", "Detectable", "Seeds")
CLAIMS = (
    ("SFT is above pure RL", ("Table 2", "P1", "shown", "+4.2 points", "above 0, p < 0.05", "0.010", "3", "2")),
    ("the gap closes", ("Fig. 5", "P2", "opposite", "slope +0.1", "below 0, p < 0.05", "0.001", "–", "–")),
    ("RED is above all", ("Table 2", "P4", "shown", "above 8 of 8", "above each, p < 0.05", "0.002", "3", "2")),
)
VERDICTS = {"opposite": 1, "shown": 2}


def run(name: str, steps: int, seeds: list[int]) -> dict:
    return {"run": name, "label": name.upper(), "steps": steps, "seeds": seeds, "versions": {"0": {"spec_hash": "aa"}}}


@pytest.fixture(scope="module")
def results(build, tmp_path_factory):
    """Two real figures and two small tables."""
    folder = tmp_path_factory.mktemp("results")
    rows = tuple(Row(label, tuple(map(Cell, texts))) for label, texts in CLAIMS)
    about = {"scale": "tiny", "missing": ["BREAD (seed 1)"], "runs": [run("red", 40, [0, 1]), run("sft", 10, [0])]}
    numbers = pd.DataFrame(columns=["run", "label", "column", "metric", "value", "low", "high", "mark"])
    facts = about | {"verdicts": VERDICTS, "problems": {"amc": 40, "math500": 50}}
    made_here = {
        "claims": Table("Claims", "Caption.", "Claim", HEADS, rows, numbers, facts=facts),
        "overview": Table("Headline", "C.", "Run", ("Seeds",), (Row("RED", (Cell("2"),)),), numbers, facts=about),
    }
    for name in NAMES:
        write(made_here.get(name) or build(name), name, folder)
    return folder


@pytest.fixture(scope="module")
def items(results):
    return {item.name: item for item in made(results, NAMES)}


def overview(items, rows):
    """The item with other numbers: rows of (run, label, accuracy, mark, what RED adds)."""
    numbers = []
    for run, label, value, mark, change in rows:
        about = {"run": run, "label": label, "column": "mathematics"}
        about |= {"mark": mark}
        numbers.append(about | {"metric": "accuracy", "value": value, "low": value - 1, "high": value + 1})
        more = {"value": change, "low": change - 2, "high": change + 2} if change is not None else {}
        numbers.append(about | {"metric": "red minus run", **more})
    return replace(items["overview"], files={"csv": pd.DataFrame(numbers).to_csv(index=False).encode()})


def test_the_first_sentence_says_what_was_run(items):
    tables = [items["claims"], items["overview"], items["pipeline"]]
    expected = "2 runs trained for 10 to 40 steps with 1 to 2 seeds each, evaluated on 2 benchmarks with 90 problems."
    assert what_was_run(tables) == f"At tiny scale, {expected}"
    alone = replace(items["pipeline"], facts={"scale": "paper", "runs": [run("red", 4, [0]), run("x", 4, [])]})
    assert what_was_run([alone]) == "At paper scale, 1 run trained for 4 steps with 1 seed each."
    assert what_was_run([items["pipeline"]]) == "No training is finished yet."


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [("red", "RED", 40.0, "", None), ("sft_dapo", "SFT+DAPO", 46.8, "best", -6.8)],
            "RED reaches 40.0 % [39.0, 41.0] on the mean of the mathematics benchmarks, below the highest, SFT+DAPO "
            "with 46.8 % [45.8, 47.8] (difference -6.8 points [-8.8, -4.8]).",
        ),
        (
            [("red", "RED", 40.0, "best", None), ("hpt", "HPT", 38.0, "second", 2.0)],
            "RED reaches 40.0 % [39.0, 41.0] on the mean of the mathematics benchmarks, the highest; next is HPT with "
            "38.0 % [37.0, 39.0] (difference +2.0 points [+0.0, +4.0]).",
        ),
        (
            [("red", "RED", 40.0, "highest", None)],
            "RED reaches 40.0 % [39.0, 41.0] on the mean of the mathematics benchmarks, the highest, though no test "
            "sets it apart.",
        ),
        ([("hpt", "HPT", 38.0, "best", None)], ""),
    ],
)
def test_the_second_sentence_says_what_came_out(items, rows, expected):
    assert what_came_out([overview(items, rows)]) == expected


def test_the_second_sentence_counts_the_verdicts(items):
    assert what_came_out([items["claims"]]) == "Of 3 claims, 2 shown and 1 opposite."


def test_the_scoreboard_has_every_claim_with_its_threshold_by_verdict(items):
    claims = items["claims"]
    assert [(row.statement, row.threshold) for row in claims_of(claims)] == [(text, row[4]) for text, row in CLAIMS]
    assert [(one.verdict, one.number) for one in scoreboard(claims)] == [("shown", 2), ("opposite", 1)]
    text = page([claims], NO_CURVES)
    shown, opposite = text.index('<tbody id="claims-shown"'), text.index('<tbody id="claims-opposite"')
    assert shown < text.index("RED is above all") < opposite < text.index("the gap closes")
    assert 'href="#claims-opposite"><b>1</b> opposite' in text


def test_items_keep_their_order_behind_the_outcome(items):
    text = page(list(items.values()), NO_CURVES)
    assert re.findall(r'<section id="(\w+)"', text)[:-1] == ["overview", "claims", "pipeline", "out_of_range"]
    assert text.count("Missing: BREAD (seed 1).") == 2


def test_the_page_holds_the_files_of_its_items(items, results):
    text = page(list(items.values()), NO_CURVES)
    inside = dict(re.findall(r'data-file="([\w.]+)">([^<]+)<', text))
    assert set(inside) == {f"{n}.{s}" for n, item in items.items() for s in item.files if s != "svg"}
    assert gzip.decompress(b64decode(inside["claims.csv"])) == (results / "tables" / "claims.csv").read_bytes()


def test_hostile_text_is_text(items):
    hostile = "</script><script>window.pwned=1</script> {{ name }}"
    facts = json.loads(json.dumps(items["claims"].facts))
    facts |= {"scale": hostile, "caption": hostile, "missing": [hostile], "verdicts": {hostile: 1}}
    facts["table"]["rows"] = [{"label": hostile, "group": "", "cells": [{"text": hostile}] * 8}]
    curves = packed([Curve(hostile, hostile, "#000000", 0, hostile, np.array([0]), np.array([1.0]))])
    text = page([replace(items["claims"], facts=facts)], curves)
    assert "<script>window" not in text and "{{ name }}" in text
    (data,) = re.findall(r'id="curves-data">(.*?)</script>', text)
    assert json.loads(data)["runs"][0]["label"] == hostile


def test_nothing_is_asked_for_from_elsewhere(items, study):
    text = page(list(items.values()), packed(of_tables(study)))
    assert not re.search(r'(src|href)="(?!#|data:|tables/|figures/)', text)
    assert "default-src 'none'" in text and "@import" not in text and "url(" not in text


def test_curves_are_raw_and_share_their_steps(study):
    document = packed(of_tables(study, ["red/w", "entropy/rollout"]))
    assert document["metrics"] == ["entropy/rollout", "red/w"] and document["every"] == 1
    logged = study.dynamics(study.named("red"), ["red/w"]).query("seed == 1")
    run = [one["name"] for one in document["runs"]].index("red")
    (line,) = (one for one in document["lines"] if (one["run"], one["metric"], one["seed"]) == (run, 1, 1))
    assert document["steps"][line["steps"]] == logged["step"].tolist()
    np.testing.assert_allclose(line["values"], logged["value"], rtol=5e-4)
    assert len(document["steps"]) == 1


def test_too_many_values_are_thinned_but_not_at_the_ends():
    curve = Curve("red", "RED", "#c1121f", 0, "red/w", np.arange(10), np.arange(10.0))
    document = packed([curve], most=4)
    assert (document["every"], document["steps"]) == (3, [[0, 3, 6, 9]])
    assert packed([replace(curve, steps=curve.steps[:9], values=curve.values[:9])], most=4)["steps"] == [[0, 3, 6, 8]]


def test_the_library_of_the_curves_is_the_one_that_was_published():
    """uPlot 1.6.32, its two files as they are in the package; its licence lies beside them."""
    script, style = ((HERE / f"uplot.{suffix}").read_bytes() for suffix in ("js", "css"))
    assert b"(v1.6.32)" in script[:80]
    assert sha256(script).hexdigest() == "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
    assert sha256(style).hexdigest() == "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"
    assert "The MIT License" in (HERE / "uplot.LICENSE").read_text()


def test_an_unknown_item_is_named_in_one_line(results, collected, reported, capsys):
    places = ["--results", str(results), "--collected", str(collected), "--reported", str(reported)]
    assert main(["--items", "nope", *places, "--out", str(results / "report.html")]) == 2
    assert capsys.readouterr().err.startswith("analysis.report: no item 'nope'; one of ablations, ")
