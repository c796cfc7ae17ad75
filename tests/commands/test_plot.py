"""`red plot`: a bare log is enough; names that are wrong are answered with those that are right."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from analysis.report.curves import Curve
from analysis.report.plot import picture
from red.__main__ import main


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two seeds of one run, and a log that stands alone."""
    for seed in (0, 1):
        log(tmp_path / "runs" / "red" / f"seed{seed}" / "metrics.jsonl", seed)
    log(tmp_path / "elsewhere" / "state" / "metrics.jsonl", 7)
    return tmp_path


def log(path: Path, start: float) -> None:
    path.parent.mkdir(parents=True)
    rows = [{"train/step": step, "entropy/rollout": start + step, "red/w": 1.0} for step in range(8)]
    rows[3].pop("red/w")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def drawn(results: Path, *words: str) -> dict:
    """The data of the page that was written."""
    out = results / "x.html"
    assert main(["plot", *words, "--results", str(results), "--out", str(out)]) == 0
    (data,) = re.findall(r'id="curves-data">(.*?)</script>', out.read_text())
    return json.loads(data)


def test_a_page_holds_every_metric_of_every_seed_and_opens_on_those_asked_for(results):
    found = drawn(results, "red", str(results / "elsewhere"), "--metric", "red/w")
    curves = found["curves"]
    assert found["first"]["metrics"] == ["red/w"]
    assert [run["label"] for run in curves["runs"]] == ["red", "elsewhere"]
    assert curves["metrics"] == ["entropy/rollout", "red/w"]
    lines = {(line["run"], line["metric"], line["seed"]): line for line in curves["lines"]}
    assert lines[0, 0, 1]["values"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert curves["steps"][lines[1, 1, None]["steps"]] == [0, 1, 2, 4, 5, 6, 7]


def test_a_log_itself_and_a_seed_are_enough(results):
    path = results / "runs" / "red" / "seed1"
    assert [line["seed"] for line in drawn(results, str(path))["curves"]["lines"]] == [1, 1]
    assert [line["seed"] for line in drawn(results, str(path / "metrics.jsonl"))["curves"]["lines"]] == [1, 1]


def test_folders_of_one_name_keep_their_paths(results):
    log(results / "other" / "red" / "metrics.jsonl", 3)
    found = drawn(results, "red", str(results / "other" / "red"))
    assert [run["label"] for run in found["curves"]["runs"]] == ["red", str(results / "other" / "red")]


def test_pictures_have_a_set_of_axes_per_metric(results):
    for suffix in ("svg", "png"):
        out = results / f"x.{suffix}"
        metrics = ["--metric", "entropy/rollout,red/w"]
        assert main(["plot", "red", *metrics, "--results", str(results), "--out", str(out)]) == 0
    root = ElementTree.parse(results / "x.svg").getroot()
    groups = [node.get("id") for node in root.iter() if str(node.get("id")).startswith("axes_")]
    assert groups == ["axes_1", "axes_2"]
    assert (results / "x.png").read_bytes().startswith(b"\x89PNG")


def test_steps_are_whole_on_the_axis_of_few_steps():
    curves = [Curve("red", "RED", "#000000", 0, "red/w", np.arange(4), np.arange(4.0))]
    (where,) = picture(curves, ["red/w"]).axes
    assert all(tick == round(tick) for tick in where.get_xticks())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("red", "--metric", "entropy/rl", "--out", "x.png"),
            "'entropy/rl' is in none of these logs; did you mean 'entropy/rollout'?",
        ),
        (("rde", "--out", "x.png"), "; did you mean 'red'?"),
        (("nope", "--out", "x.png"), "nope: neither a metrics.jsonl, nor a folder with one, nor a run of"),
        (("red", "--out", "x.pdf"), "--out x.pdf: expected a name that ends in .html, .png, .svg"),
    ],
)
def test_a_wrong_name_is_one_line_that_says_the_right_ones(results, capsys, words, message):
    assert main(["plot", *words, "--results", str(results)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said
    if "nope" in words:
        assert "runs there: red" in said


def test_a_line_that_is_being_written_is_left_for_the_next_time(results):
    path = results / "elsewhere" / "state" / "metrics.jsonl"
    path.write_text('{"train/step": 0, "red/w": 1}\n\n{"train/step": 1, "red/w": 2}\n{"train/st')
    (line,) = drawn(results, str(results / "elsewhere"))["curves"]["lines"]
    assert line["values"] == [1, 2]


def test_a_row_without_its_step_is_named(results, capsys):
    path = results / "elsewhere" / "state" / "metrics.jsonl"
    path.write_text('{"train/step": 0}\n{"red/w": 1}\n')
    assert main(["plot", str(path), "--out", str(results / "x.html")]) == 2
    assert f"{path}: line 2: missing key 'train/step'" in capsys.readouterr().err
