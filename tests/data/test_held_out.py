"""Questions of the training distribution that are no training prompts."""

import json

import pytest

from red.__main__ import main
from red.data.sources import source
from red.evaluation.benchmarks import read
from red.plumbing.records import from_mapping, to_mapping
from red.world.benchmarks import RECIPES, benchmark


def spec(name, **values):
    return from_mapping(source(name, "").PromptsSpec, {"source": name, **values}, "prompts")


def questions(name, prompts):
    return [row["question"] for row in source(name, "").prompts(to_mapping(prompts)).rows]


def test_the_tiny_world_holds_out_what_neither_training_nor_a_benchmark_has():
    trained = spec("embedded", count=300, seed=5)
    held_out = questions("embedded", trained.held_out(80))
    assert len(set(held_out)) == 80
    assert not set(held_out) & set(questions("embedded", trained))
    assert not set(held_out) & {problem.question for name in RECIPES for problem in benchmark(name)}


def test_training_prompts_and_held_out_ones_are_one_stream():
    whole = questions("embedded", spec("embedded", count=120, seed=5))
    trained = spec("embedded", count=80, seed=5)
    assert questions("embedded", trained) + questions("embedded", trained.held_out(40)) == whole


@pytest.fixture
def openr1(tmp_path):
    """Ten rows, the fourth without a usable answer."""
    with (tmp_path / "rows.jsonl").open("w") as lines:
        for index in range(10):
            gold = {"ground_truth": "{" if index == 3 else str(index)}
            row = {"prompt": [{"role": "user", "content": f"q{index}"}], "target": [], "reward_model": gold}
            lines.write(json.dumps(row) + "\n")
    return spec("openr1", data_dir=str(tmp_path), file="rows.jsonl", limit=6)


def test_rows_of_a_data_set_after_the_first_are_held_out(openr1):
    assert questions("openr1", openr1) == ["q0", "q1", "q2", "q4", "q5"]
    assert questions("openr1", openr1.held_out(3)) == ["q6", "q7", "q8"]


def test_they_are_a_benchmark(openr1, tmp_path):
    out = tmp_path / "validation.jsonl"
    entry = {"source": "held_out", "prompts": to_mapping(openr1.held_out(2))}
    assert main(["data", "benchmark", "--name", "validation", "--spec", json.dumps(entry), "--out", str(out)]) == 0
    assert [(p.id, p.question, p.answer, p.options) for p in read(out)] == [
        ("openr1-00006", "q6", "6", None),
        ("openr1-00007", "q7", "7", None),
    ]
