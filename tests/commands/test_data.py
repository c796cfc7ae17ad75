"""`python -m red data`: each kind writes its product, wholly or not at all."""

import json

import pytest

from red.__main__ import main
from red.models import checkpoint
from red.plumbing.checksums import folder_hash
from red.plumbing.storage import read_json, read_jsonl
from red.world import pretraining as embedded


def run(*arguments: object) -> int:
    return main(["data", *map(str, arguments)])


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    assert run("prompts", "--spec", json.dumps({"count": 40}), "--out", path) == 0
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A base that has hardly been trained: it exists, ends at the limit, and is always wrong."""
    path = tmp_path_factory.mktemp("models") / "base"
    assert run("model", "--spec", json.dumps({"steps": 3}), "--out", path) == 0
    return path


def test_model_folder_loads_and_tells_how_it_was_made(model):
    loaded = checkpoint.load(model)
    summary = read_json(model / "pretraining.json")
    assert summary["recipe"]["steps"] == 3
    assert summary["parameters"] == sum(parameter.numel() for parameter in loaded.model.parameters())


def test_equal_seeds_give_equal_weights(model, tmp_path):
    for seed, name in ((0, "same"), (1, "other")):
        run("model", "--spec", json.dumps({"steps": 3, "seed": seed}), "--out", tmp_path / name)
    weights = [(path / checkpoint.STATE_DICT).read_bytes() for path in (model, tmp_path / "same")]
    assert weights[0] == weights[1]
    assert folder_hash(tmp_path / "other") != folder_hash(model)


def test_an_interrupted_pretraining_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_loss", interrupt)
    assert run("model", "--spec", "{}", "--out", tmp_path / "base") == 130
    assert list(tmp_path.iterdir()) == []


def test_prompts_have_the_agreed_keys(prompts):
    rows = list(read_jsonl(prompts))
    assert len(rows) == 40
    assert all(row.keys() == {"id", "question", "answer", "source"} for row in rows)


def test_demonstrations_follow_the_prompts_and_have_a_summary(prompts, tmp_path):
    out = tmp_path / "demonstrations" / "clean.jsonl"
    assert run("demonstrations", "--spec", "{}", "--prompts", prompts, "--out", out) == 0
    ids = [row["id"] for row in read_jsonl(prompts)]
    rows = list(read_jsonl(out))
    assert [row["id"] for row in rows] == ids
    assert all(row.keys() == {"id", "response", "forced_accuracy", "corruption", "wrong"} for row in rows)
    assert read_json(out.with_suffix(".json"))["failing_verifier"] == 0


@pytest.fixture
def clean(prompts):
    path = prompts.with_name("clean.jsonl")
    assert run("demonstrations", "--spec", "{}", "--prompts", prompts, "--out", path) == 0
    return path


def test_noisy_labels_of_every_rate_come_from_one_sampling(prompts, clean, model, tmp_path):
    files = ("--prompts", prompts, "--demonstrations", clean)
    wrong = tmp_path / "wrong_responses.jsonl"
    spec = json.dumps({"rate": 0.5, "samples": 2})
    assert run("wrong_responses", "--spec", spec, *files, "--model", model, "--out", wrong) == 0
    spec = json.dumps({"corruption": "noisy_labels", "rate": 0.5})
    out = tmp_path / "noisy_labels.jsonl"
    assert run("corruption", "--spec", spec, *files, "--wrong-responses", wrong, "--out", out) == 0
    summary = read_json(out.with_suffix(".json"))
    assert len(summary["corrupted"]["forced_zero"]) == 10
    assert summary["wanted"] == 20
    taken = summary["corrupted"].get("wrong_response", [])
    assert taken == [row["id"] for row in read_jsonl(out) if row["id"] in {row["id"] for row in read_jsonl(wrong)}][:10]


def test_a_shortened_benchmark_is_a_part_of_the_whole(tmp_path):
    found = {}
    for limit in (None, 20, 5):
        out = tmp_path / f"{limit}.jsonl"
        run("benchmark", "--name", "aime24", "--spec", json.dumps({"limit": limit}), "--out", out)
        found[limit] = list(read_jsonl(out))
    assert [len(found[limit]) for limit in (20, 5)] == [20, 5]
    for small, large in ((20, None), (5, 20)):
        kept = {row["id"] for row in found[small]}
        assert found[small] == [row for row in found[large] if row["id"] in kept]


def test_benchmark_rows_have_the_agreed_keys(tmp_path):
    out = tmp_path / "arc_c.jsonl"
    assert run("benchmark", "--name", "arc_c", "--spec", "{}", "--out", out) == 0
    rows = list(read_jsonl(out))
    assert all(row.keys() == {"id", "question", "options", "answer", "extra"} for row in rows)
    assert all(row["answer"] in row["options"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prompts", "--spec", "{"), "--spec: not valid JSON"),
        (("prompts", "--spec", "[]"), "--spec: expected an object"),
        (("prompts", "--spec", '{"cuont": 3}'), "prompts.cuont: unknown key; did you mean 'count'"),
        (("prompts", "--spec", '{"source": "moon"}'), "prompts.source: 'moon' is unknown"),
        (("model", "--spec", '{"size": "huge"}'), "model.size: 'huge' is not one of base, large"),
        (("benchmark", "--name", "imo", "--spec", "{}"), "benchmark 'imo' is unknown"),
    ],
)
def test_mistakes_end_with_one_line_and_no_file(arguments, message, tmp_path, capsys):
    assert run(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
