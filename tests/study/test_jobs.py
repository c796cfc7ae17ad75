"""Configurations as plans."""

import json
from pathlib import Path

import pytest

from red.__main__ import main
from red.errors import ConfigError
from red.plumbing.records import to_mapping
from red.study import config, jobs
from red.study.runs import run_seeds, run_spec


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    """With one base for all seeds."""
    document = config.load(repository / "config" / "default.yaml")
    return {**document, "model": {**document["model"], "seed": 0}}


def test_labels_are_not_part_of_a_training(tiny):
    spec = jobs.training_spec(run_spec(tiny, "red", 0))
    assert not {"label", "row_group", "items", "because"} & set(spec)
    assert spec["method"] == "red" and spec["seed"] == 0


def test_the_base_is_evaluated_once(tiny):
    assert [pair for pair in jobs.evaluated(tiny) if pair[0] == jobs.BASE] == [(jobs.BASE, 0)]


def test_each_seed_may_have_its_own_base(tiny):
    document = {**tiny, "seeds": [0, 2], "model": {"source": "embedded", "size": "base"}}
    assert [pair for pair in jobs.evaluated(document) if pair[0] == jobs.BASE] == [(jobs.BASE, 0), (jobs.BASE, 2)]
    assert {name: spec["seed"] for name, spec in jobs.models(document).items()} == {
        "base_seed0": 0,
        "base_seed2": 2,
        "large": 0,
    }
    specs = [entry["spec"] for entry in jobs.collect_spec(document)["runs"] if entry["run"] == jobs.BASE]
    assert [spec["model"]["seed"] for spec in specs] == [0, 2]
    assert (jobs.BASE, 2, "confidence") in jobs.probed(document)


def test_a_downloaded_base_is_one_for_all_seeds(tiny):
    document = {**tiny, "model": {"source": "hub", "id": "a/b"}}
    assert list(jobs.models(document)) == ["base", "large"]
    assert jobs.base_model(document, 1) == jobs.BASE


def test_what_the_tiny_world_makes_is_told_its_knobs(tiny):
    document = {**tiny, "world": {"slip": 0.2}}
    specs = [*jobs.models(document).values(), jobs.prompts_spec(document), jobs.demonstrations_spec(document)]
    assert len(specs) == 4 and all(spec["world"] == {"slip": 0.2} for spec in specs)
    hub = {**document, "model": {"source": "hub", "id": "a/b"}}
    assert "world" not in jobs.models(hub)["base"]
    with pytest.raises(ConfigError, match=r"world\.slip: must be at most 1, found 2"):
        jobs.check({**tiny, "world": {"slip": 2}})


def test_parents_are_named_nearest_first(tiny):
    document = {**tiny, "runs": {**tiny["runs"], "x": {"method": "grpo", "init_from": "sft_dapo"}}}
    assert list(jobs.parents(document, "x")) == [("sft_dapo", None), ("sft", None)]


def test_a_corruption_names_its_function_and_rate(tiny):
    spec = jobs.corruption_spec(tiny, "noisy_labels_q05")
    assert spec == {"corruption": "noisy_labels", "rate": 0.05, "seed": 1}
    assert jobs.demonstrations_spec(tiny) == {"source": "embedded", "seed": 1}


def test_wrong_responses_are_sampled_once_for_the_largest_rate_that_a_run_takes(tiny):
    assert jobs.wrong_responses_spec(tiny)["rate"] == 0.4
    rates = {name: {**tiny["runs"][name], "seeds": [0]} for name in ("red_noisy_labels_q10", "red_noisy_labels_q05")}
    few = config.select({**tiny, "runs": tiny["runs"] | rates, "only": list(rates)})
    assert jobs.wrong_responses_spec(few)["rate"] == 0.1
    none = config.select({**tiny, "only": ["red", "red_adversarial_chains"]})
    assert jobs.noisy(none) == []


def test_a_probe_has_its_own_limit_and_gpus(tiny):
    own = {"runs": ["red"], "prompts": 4, "samples": 1, "max_new_tokens": 9, "gpu": 2}
    document = {**tiny, "probes": {**tiny["probes"], "tokens": own}}
    spec = jobs.probe_spec(document, "red", "tokens")
    assert (spec["prompts"], spec["samples"], spec["max_new_tokens"], spec["backend"]) == (4, 1, 9, "local")
    assert "gpu" not in spec
    assert jobs.probe_spec(tiny, "red", "tokens")["max_new_tokens"] == tiny["common"]["max_new_tokens"]
    assert [jobs.probe_gpus(document, name) for name in ("tokens", "entropy")] == [2, 0]


def test_an_overlay_takes_away_by_null(tiny):
    overlay = {"benchmarks": {"mmlu_pro": None}, "probes": {"entropy": None}, "corruptions": {"noisy_labels_q40": None}}
    document = {**tiny, **{section: {**tiny[section], **change} for section, change in overlay.items()}}
    chosen = config.select(document)
    for section, change in overlay.items():
        assert list(chosen[section]) == [name for name in tiny[section] if name not in change]
    with pytest.raises(ConfigError, match="benchmarks"):
        config.check(config.select({**tiny, "benchmarks": dict.fromkeys(tiny["benchmarks"])}))


def test_a_shortened_benchmark_is_called_so(tiny):
    entries = {"math500": {**tiny["benchmarks"]["math500"], "source": "math500", "limit": 50}}
    document = {**tiny, "benchmarks": entries}
    assert [entry["label"] for entry in jobs.collect_spec(document)["benchmarks"]] == ["MATH500 (50 of 500)"]


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


def test_psft_needs_several_updates_per_step_by_every_way_in(tiny, capsys, tmp_path):
    spec = to_mapping(run_spec(tiny, "psft", 0))
    spec["training"]["updates_per_rollout"] = 1
    files = [word for name in ("parent", "prompts", "demonstrations") for word in (f"--{name}", str(tmp_path))]
    assert main(["train", "--spec", json.dumps(spec), *files, "--out", str(tmp_path / "out")]) == 2
    assert "runs.psft.updates_per_rollout: 1 makes psft plain SFT" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"runs\.x\.updates_per_rollout: 1 makes psft plain SFT"):
        config.check({**tiny, "runs": {**tiny["runs"], "x": {"method": "psft"}}})
    more = {"method": "psft", "updates_per_rollout": 2, "because": "its clip"}
    config.check({**tiny, "runs": {**tiny["runs"], "x": more}})


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
        "samples": 32,
        "problems": 30,
        "source": "embedded",
    }
    assert (entries[-1]["label"], entries[-1]["source"]) == ("Mine", "local")


def test_a_copy_has_the_seeds_of_the_document_unless_it_names_its_own(tiny):
    runs = {
        "red": {**tiny["runs"]["red"], "seeds": [0, 1, 2]},
        "copy": {"like": "red"},
        "own": {"like": "red", "seeds": [4]},
    }
    document = {**tiny, "seeds": [7], "runs": {**runs, "again": {"like": "own"}}}
    assert [pair for pair in jobs.trained(document) if pair[0] != "red"] == [("copy", 7), ("own", 4), ("again", 7)]


SEVERAL_SEEDS = {"sft", "sft_dapo", "sft_rl", "mix_policy", "luffy", "red"}
CONTROLS_OF_W = {"red_w_constant", "red_w_resampled", "red_w_scrambled"}


def test_the_paper_trains_several_seeds_only_where_its_tables_ask_for_them(repository):
    """SFT is what SFT+DAPO and SFT→RL start from; controls are compared seed by seed with a RED of their length."""
    document = config.load(*(repository / "config" / name for name in ("default.yaml", "paper.yaml")))
    seeds = {run: tuple(run_seeds(document, run)) for run in document["runs"]}
    several = SEVERAL_SEEDS | CONTROLS_OF_W | {"red_short"}
    assert {run for run, its in seeds.items() if its == (0, 1, 2)} == several
    assert {its for run, its in seeds.items() if run not in several} == {(0,), ()}
