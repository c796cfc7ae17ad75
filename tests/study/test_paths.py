"""Which files each job reads."""

from pathlib import Path

import pytest

from red.errors import ConfigError
from red.study import config, jobs, paths


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    """With one base for all seeds."""
    document = config.load(repository / "config" / "default.yaml")
    return {**document, "model": {**document["model"], "seed": 0}}


def test_the_base_is_the_run_without_training(tiny):
    assert paths.checkpoint(tiny, "base", 0) == "<models>/base"
    assert paths.checkpoint(tiny, "red", 1) == "<results>/runs/red/seed1/checkpoint"


def test_a_seed_starts_from_its_own_base(tiny):
    document = {**tiny, "model": {"source": "embedded"}, "seeds": [1, 2]}
    assert paths.parent(document, "red", 2) == paths.checkpoint(document, "base", 2) == "<models>/base_seed2"
    assert paths.first_base(document) == "<models>/base_seed0"  # a run of the default has seed 0 alone
    assert paths.first_base(tiny) == "<models>/base"


@pytest.mark.parametrize(
    ("run", "parent", "start"),
    [
        ("red", "<models>/base", "<models>/base"),
        ("sft_grpo", "<results>/runs/sft/seed1/checkpoint", "<results>/runs/sft/seed1/checkpoint"),
        ("grpo_sft_early", "<results>/runs/sft/seed1/snapshots", "<results>/runs/sft/seed1/snapshots/step50"),
    ],
)
def test_a_run_starts_from_the_base_a_checkpoint_or_one_of_the_snapshots(tiny, run, parent, start):
    assert paths.parent(tiny, run, 1) == parent
    assert paths.start(tiny, run, parent) == start


def test_a_run_learns_from_its_own_corruption_or_from_the_answers_of_another_with_its_seed(tiny):
    assert paths.demonstrations(tiny, "red", 1) == "<results>/data/demonstrations/clean.jsonl"
    assert paths.demonstrations(tiny, "redistilled", 1) == "<results>/data/redistilled/redistilled/seed1.jsonl"
    noisy = paths.demonstrations(tiny, "red_noisy_labels_q05", 1)
    assert noisy == "<results>/data/demonstrations/noisy_labels_q05.jsonl"


def test_only_noisy_labels_wait_for_wrong_responses(tiny):
    noisy = paths.wrong_responses(tiny, "noisy_labels_q05")
    assert noisy == {"wrong_responses": "<results>/data/wrong_responses.jsonl"}
    assert paths.wrong_responses(tiny, "adversarial_chains") == {}


def test_a_control_reads_the_metrics_of_its_source_with_its_own_seed(tiny):
    assert paths.w_log(tiny, "red_w_constant", 1) == {"w_log": "<results>/runs/red/seed1/metrics.jsonl"}
    assert paths.w_log(tiny, "red", 1) == {}


def test_who_distils_a_model_reads_the_teacher_or_else_the_large_one(tiny):
    assert paths.teacher(tiny, "opd") == {"teacher": "<models>/large"}
    assert paths.teacher({**tiny, "teacher_model": {"source": "embedded"}}, "opd") == {"teacher": "<models>/teacher"}
    assert paths.teacher(tiny, "opsd") == paths.teacher(tiny, "grpo") == {}


def test_who_distils_a_model_needs_one(tiny):
    runs = {**tiny["runs"], "opd": {**tiny["runs"]["opd"], "seeds": [0]}}
    jobs.check({**tiny, "runs": runs})
    with pytest.raises(ConfigError, match="runs.opd: learns from another model; name one under teacher_model"):
        jobs.check({**tiny, "runs": runs, "large_model": None})
    jobs.check({**tiny, "runs": runs, "large_model": None, "teacher_model": tiny["large_model"]})


def test_a_probe_measures_the_parent_the_large_model_or_base_and_sft(tiny):
    assert paths.probed_models(tiny, "sft_grpo", "1", "entropy") == {"parent": paths.checkpoint(tiny, "sft", 1)}
    assert paths.probed_models(tiny, "base", "0", "confidence") == {"large": "<models>/large"}
    models = paths.probed_models(tiny, "red", "1", "tokens")
    assert models == {"base": "<models>/base", "sft": paths.checkpoint(tiny, "sft", 1)}


def test_a_seed_that_sft_lacks_is_compared_with_its_first(tiny):
    document = {**tiny, "runs": {**tiny["runs"], "sft": {**tiny["runs"]["sft"], "seeds": [3, 4]}}}
    assert paths.probed_models(document, "red", "0", "tokens")["sft"] == paths.checkpoint(document, "sft", 3)


def test_the_tables_are_made_from_every_grade_metric_and_probe(tiny):
    tokens = {**tiny["probes"]["tokens"], "runs": ["red", "grpo"]}
    document = config.select({**tiny, "only": ["red"], "seeds": [0], "probes": {"tokens": tokens}})
    files = paths.collected(document)
    assert len(files) == len(set(files)) == 3 * len(tiny["benchmarks"]) + 1 + 1
    assert "<results>/evaluations/base/seed0/amc.grades.jsonl" in files
    assert files[-2:] == [paths.metrics("red", 0), "<results>/probes/red/seed0/tokens.parquet"]
    assert len(paths.collected(tiny)) == sum(
        ((len(jobs.evaluated(tiny)) + 1) * len(tiny["benchmarks"]), len(jobs.trained(tiny)), len(jobs.probed(tiny)))
    )
