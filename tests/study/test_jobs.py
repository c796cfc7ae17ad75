"""Configurations as plans."""

from pathlib import Path

import pytest

from red.errors import ConfigError
from red.study import config, jobs


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml")


def test_labels_are_not_part_of_a_training(tiny):
    spec = jobs.training_spec(tiny, "red", 0)
    assert not {"label", "row_group", "items", "because"} & set(spec)
    assert spec["method"] == "red" and spec["seed"] == 0


def test_the_base_is_evaluated_once(tiny):
    assert [pair for pair in jobs.evaluated(tiny) if pair[0] == jobs.BASE] == [(jobs.BASE, 0)]


def test_parents_are_named_nearest_first(tiny):
    document = {**tiny, "runs": {**tiny["runs"], "x": {"method": "grpo", "init_from": "sft_dapo"}}}
    assert list(jobs.parents(document, "x")) == [("sft_dapo", None), ("sft", None)]


def test_a_corruption_names_its_function_and_rate(tiny):
    spec = jobs.demonstrations_spec(tiny, "noisy_labels_q05")
    assert (spec["corruption"], spec["rate"]) == ("noisy_labels", 0.05)
    assert jobs.demonstrations_spec(tiny, jobs.CLEAN)["corruption"] == jobs.CLEAN


def test_a_null_takes_away_a_key(tiny):
    document = {**tiny, "model": {**tiny["model"], "size": None}}
    assert "size" not in jobs.models(document)["base"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probes": {"entropi": {"runs": ["red"]}}}, "probes.entropi"),
        ({"probes": {"entropy": {"runs": ["redd"]}}}, "'redd'"),
        ({"runs": {"base": {"method": "sft"}}}, "runs.base"),
    ],
)
def test_what_the_schema_cannot_see_is_refused(tiny, change, message):
    with pytest.raises(ConfigError, match=message):
        jobs.check({**tiny, **change})


def test_only_keeps_parents_sources_and_resolves_like(tiny):
    chosen = config.select({**tiny, "only": ["red_w_constant", "sft_dapo"]})
    assert list(chosen["runs"]) == [run for run in tiny["runs"] if run in chosen["runs"]]
    assert set(chosen["runs"]) == {"red_w_constant", "red", "sft_dapo", "sft"}
    config.check(chosen)


def test_the_collected_runs_carry_their_presentation(tiny):
    entries = {(entry["run"], entry["seed"]): entry for entry in jobs.collect_spec(tiny)["runs"]}
    assert entries["red", 0]["label"] == "RED" and entries["red", 0]["row_group"] == "red"
    assert "main_results" in entries["base", 0]["items"]


def test_a_local_benchmark_depends_on_its_file(tiny):
    document = {**tiny, "benchmarks": {**tiny["benchmarks"], "mine": {"source": "math500", "data_dir": "own"}}}
    assert jobs.benchmark_files(document, "mine") == ["own/math500.jsonl"]
    assert jobs.benchmark_files(document, "aime24") == []


def test_the_collected_benchmarks_keep_their_order_and_know_label_and_source(tiny):
    mine = {"source": "local", "data_dir": ".", "file": "x", "grader": "math", "metric": "pass_at_1", "samples": 1}
    document = {**tiny, "benchmarks": {**tiny["benchmarks"], "mine": {**mine, "group": "math", "label": "Mine"}}}
    entries = jobs.collect_spec(document)["benchmarks"]
    assert [entry["benchmark"] for entry in entries] == list(document["benchmarks"])
    assert entries[0] == {
        "benchmark": "aime24",
        "label": "AIME24",
        "group": "math",
        "metric": "avg_at_k",
        "source": "embedded",
    }
    assert (entries[-1]["label"], entries[-1]["source"]) == ("Mine", "local")
