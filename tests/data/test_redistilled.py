"""Re-distillation: a model's own right greedy answers, and only these, as demonstrations."""

import json

import pytest

from red.__main__ import main
from red.grading.extract import last_box
from red.plumbing.storage import read_jsonl, read_object, write_jsonl

SPEC = {"template": "plain", "max_prompt_tokens": 64, "max_new_tokens": 60}


def made(model, prompts, out, **changes):
    files = ["--prompts", str(prompts), "--model", str(model), "--out", str(out)]
    return main(["data", "redistilled", "--spec", json.dumps(SPEC | changes), *files])


@pytest.fixture(scope="module")
def answers(tiny_world, tmp_path_factory):
    """{id: what the model says to the prompt, greedily}."""
    out = tmp_path_factory.mktemp("asked") / "first.jsonl"
    assert made(tiny_world / "models" / "base", tiny_world / "prompts.jsonl", out) == 0
    (log,) = out.parent.glob("state/*.jsonl")
    return {row["id"]: row["response"] for row in read_jsonl(log)}


@pytest.fixture(scope="module")
def prompts(tiny_world, answers, tmp_path_factory):
    """Those of the world; of every third the gold is what the model says, of the others it is not."""
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    rows = []
    for number, row in enumerate(read_jsonl(tiny_world / "prompts.jsonl")):
        said = last_box(answers[row["id"]]) or "0"
        rows.append({**row, "answer": said if number % 3 == 0 else f"{said}1"})
    write_jsonl(path, rows)
    return path


def test_right_answers_are_kept_as_they_were_said(tiny_world, answers, prompts, tmp_path):
    assert made(tiny_world / "models" / "base", prompts, tmp_path / "own.jsonl") == 0
    rows, every = list(read_jsonl(tmp_path / "own.jsonl")), list(read_jsonl(prompts))
    assert [row["id"] for row in rows] == [row["id"] for row in every[::3] if last_box(answers[row["id"]])]
    assert all(row["response"] == answers[row["id"]] for row in rows)
    summary = read_object(tmp_path / "own.json")
    assert (summary["asked"], summary["right"]) == (len(every), len(rows)) == (64, summary["demonstrations"])
    assert 0 < summary["mean_tokens"] <= SPEC["max_new_tokens"]


def test_a_count_takes_a_part_of_what_a_larger_one_takes(tiny_world, prompts, tmp_path):
    kept = {}
    for count in (5, 9):
        assert made(tiny_world / "models" / "base", prompts, tmp_path / f"{count}.jsonl", count=count) == 0
        kept[count] = {row["id"] for row in read_jsonl(tmp_path / f"{count}.jsonl")}
    assert len(kept[5]) == 5 and len(kept[9]) == 9 and kept[5] < kept[9]


def test_an_interrupted_job_asks_for_what_is_missing(tiny_world, prompts, tmp_path, capsys):
    out = tmp_path / "own.jsonl"
    assert made(tiny_world / "models" / "base", prompts, out) == 0
    (log,) = out.parent.glob("state/*.jsonl")
    whole, lines = out.read_bytes(), log.read_bytes().splitlines(keepends=True)
    out.unlink()
    log.write_bytes(b"".join(lines[:40]) + lines[40][:9])
    capsys.readouterr()
    assert made(tiny_world / "models" / "base", prompts, out) == 0
    assert out.read_bytes() == whole
    assert len(log.read_bytes().splitlines()) == len(lines)


def test_a_model_that_is_never_right_teaches_nothing(tiny_world, prompts, tmp_path, capsys):
    rows = [{**row, "answer": "123456789"} for row in read_jsonl(prompts)]
    write_jsonl(tmp_path / "prompts.jsonl", rows)
    assert made(tiny_world / "models" / "base", tmp_path / "prompts.jsonl", tmp_path / "own.jsonl") == 2
    assert "none of its 64 answers is right" in capsys.readouterr().err
    assert not (tmp_path / "own.jsonl").exists()


def test_what_does_not_end_is_not_kept(tiny_world, prompts, tmp_path):
    """A response that is cut at its limit is no answer, even where its box is there."""
    shortest = {**SPEC, "max_new_tokens": 14}
    assert made(tiny_world / "models" / "base", prompts, tmp_path / "own.jsonl", **shortest) == 0
    summary = read_object(tmp_path / "own.json")
    assert summary["ended"] < summary["asked"]
    assert all(len(row["response"]) < 60 for row in read_jsonl(tmp_path / "own.jsonl"))
