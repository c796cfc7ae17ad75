"""Forecasts: formulas on round numbers, calibration by benchmark files, and what sharing saves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from red.errors import ConfigError
from red.objective import vocabulary
from red.study import config, estimate, jobs
from red.study.resources import Hardware, Lengths, Resources, Shape, resources_of
from red.study.runs import run_spec
from red.training.spec import RunSpec

ROUND = Resources(
    hardware=Hardware(tflops=1e-6, decode_tokens_per_s=100, decode_parameters=1e3, startup_s=5),
    shape=Shape(parameters=1e3, layers=2, hidden_size=10, vocabulary=100),
    lengths=Lengths(prompt=10, rollout=20, demonstration=40, generation=30),
)


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml")


def spec(document: dict, run: str, **training) -> RunSpec:
    found = run_spec(document, run, 0)
    sizes = {"steps": 10, "prompts_per_step": 4, "group_size": 8, "updates_per_rollout": 1}
    return replace(found, training=replace(found.training, **(sizes | training)))


def test_rl_pays_for_rollouts_and_their_training(tiny):
    cost = estimate.training_cost(spec(tiny, "grpo"), ROUND)
    # 10 x 4 prompts, 8 rollouts of 20 tokens; trained with their prompts of 10
    assert cost.sampled == 40 * 8 * 20
    assert cost.trained == 40 * 8 * 30
    # 6400 / 100 per s + 8 x 1000 x 9600 / 1e6 per s + 5
    assert cost.seconds == pytest.approx(64 + 76.8 + 5)


def test_sft_samples_nothing(tiny):
    cost = estimate.training_cost(spec(tiny, "sft"), ROUND)
    assert (cost.sampled, cost.trained) == (0, 40 * 50)


def test_a_demonstration_takes_the_place_of_a_rollout(tiny):
    cost = estimate.training_cost(spec(tiny, "red"), ROUND)
    assert cost.sampled == 40 * 7 * 20
    assert cost.trained == 40 * (7 * 30 + 50)


def test_dynamic_sampling_pays_for_what_it_drops(tiny):
    plain = estimate.training_cost(spec(tiny, "grpo"), ROUND).sampled
    assert estimate.training_cost(spec(tiny, "sft_dapo"), ROUND).sampled == plain / (1 - 0.5)


def test_memory_is_weights_gathered_weights_and_activations(tiny):
    found = estimate.memory(spec(tiny, "grpo", tokens_per_forward=100, max_new_tokens=50), ROUND)
    tokens = 64 + 50
    assert found == 16e3 + 2e3 + tokens * (2 * 10 * 2 + 100 * 12)


def test_a_teacher_reads_every_rollout_and_stays_on_the_device(tiny):
    """A model of 3,000 parameters reads prompt and rollout; the policy itself a prompt and a demonstration more."""
    known = replace(ROUND, shape=replace(ROUND.shape, teacher_parameters=3e3))
    plain = estimate.training_cost(spec(tiny, "grpo"), known).seconds
    of_model, of_itself = (estimate.training_cost(spec(tiny, run), known).seconds for run in ("opd", "opsd"))
    assert of_model == pytest.approx(plain + 2 * 3e3 * 40 * 8 * 30 / 1e6)
    assert of_itself == pytest.approx(plain + 2 * 1e3 * 40 * 8 * 80 / 1e6)
    weights = {run: estimate.memory(spec(tiny, run), known) for run in ("grpo", "opd", "opsd", "opsd_current")}
    assert {run: found - weights["grpo"] for run, found in weights.items()} == {
        "grpo": 0,
        "opd": 6e3,
        "opsd": 2e3,
        "opsd_current": 0,
    }


def test_a_residual_is_measured_before_each_update(tiny):
    """Another pass over the same tokens: `8 + 2 + 2` operations per parameter and token in the place of `8 + 2`."""
    plain, residual = (
        estimate.training_cost(spec(tiny, run, updates_per_rollout=4), ROUND) for run in ("grpo", "gvpo")
    )
    assert plain.trained == residual.trained
    assert residual.seconds - plain.seconds == pytest.approx(2 * 1e3 * residual.trained / 1e6)


def test_no_more_logits_are_held_than_a_block_of_the_vocabulary(tiny):
    wide = replace(ROUND, shape=replace(ROUND.shape, vocabulary=10**9))
    assert estimate.LOGITS_AT_ONCE == vocabulary.BLOCK_ELSEWHERE
    found = estimate.memory(spec(tiny, "grpo", tokens_per_forward=100, max_new_tokens=50), wide)
    assert found == 16e3 + 2e3 + (64 + 50) * 2 * 10 * 2 + 12 * vocabulary.BLOCK_ELSEWHERE


def test_who_does_not_sleep_is_there_beside_the_other(tiny):
    run = spec(tiny, "grpo", engine="openrlhf")
    awake, asleep = (replace(run, cluster=replace(run.cluster, sleep=sleep)) for sleep in (False, True))
    share = run.cluster.vllm_memory * ROUND.hardware.memory_gib * 2**30
    learner = estimate.memory(replace(run, cluster=replace(run.cluster, vllm_memory=1e-12)), ROUND)
    assert estimate.memory(asleep, ROUND) == max(learner, share)
    assert estimate.memory(awake, ROUND) == learner + share


def test_time_asked_for_is_at_least_ten_minutes_and_at_most_the_limit(tiny):
    assert estimate.training_minutes(spec(tiny, "grpo"), ROUND) == 10
    assert estimate.training_minutes(spec(tiny, "grpo", steps=10**5), ROUND, attempt=3) == 60


def test_sharing_saves_the_parents_of_every_seed(tiny):
    document = config.select({**tiny, "only": ["sft_dapo", "sft_grpo"], "seeds": [0, 1]})
    found = estimate.estimate(document)
    sft = next(row for row in found.rows if row.run == "sft").training.seconds
    # alone, each of two methods and two seeds trains its own SFT
    assert found.saved.seconds == pytest.approx(4 * sft)
    assert found.trainings == 6


def test_benchmark_files_replace_and_scale_the_forecast(tiny, tmp_path):
    document = {**config.select({**tiny, "only": ["grpo", "red"]}), "seeds": [0]}
    document["pathvars"] = {"benchmarks": str(tmp_path)}
    before = {row.run: row.training.seconds for row in estimate.estimate(document).rows}
    file = tmp_path / "train" / "grpo" / "seed0.tsv"
    file.parent.mkdir(parents=True)
    file.write_text(f"s\th:m:s\n{3 * before['grpo']}\t0:00:00\n")
    found = estimate.estimate(document)
    after = {row.run: row.training.seconds for row in found.rows}
    assert after["grpo"] == pytest.approx(3 * before["grpo"])
    assert after["red"] == pytest.approx(3 * before["red"])
    assert (found.measured, found.factor) == (1, 1.5)
    low, high = found.hours_between
    known, rest = after["grpo"] / 3600, found.total.hours - after["grpo"] / 3600
    assert (low, high) == pytest.approx((known + rest / 1.5, known + 1.5 * rest))


@pytest.mark.parametrize("line", ["", "0.0\t0:00:00\n", "nan\tx\n", "inf\tx\n", "-1\tx\n", "\tx\n", "1\0\tx\n"])
def test_a_damaged_benchmark_file_is_passed_over(tiny, tmp_path, line):
    document = {**tiny, "pathvars": {"benchmarks": str(tmp_path)}}
    file = tmp_path / "train" / "grpo" / "seed0.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("s\th:m:s\n" + line)
    assert estimate.estimate(document).measured == 0


def test_the_paper_asks_for_the_gpus_of_its_cluster_section(repository):
    paths = [repository / "config" / name for name in ("default.yaml", "paper.yaml")]
    document = config.load(*paths)
    jobs.check(document)
    found = estimate.estimate(document)
    assert found.gpus_per_node == document["cluster"]["policy_gpus"]
    assert found.total.hours > 100 and found.device.startswith("H100")


def written(folder: Path, **changes) -> dict:
    """Section `hardware` with a file as `python -m bench gpu` writes it."""
    file = folder / "gpu.json"
    document = {"tried_only": False, "hardware": {"name": "NVIDIA X", "tflops": 300.0}, **changes}
    file.write_text(json.dumps(document))
    return {"hardware": {"name": "H100 80 GB", "tflops": 250, "startup_s": 9, "measured": str(file)}}


def test_what_a_gpu_measured_replaces_the_forecast_and_nothing_else(tiny, tmp_path):
    found = resources_of(written(tmp_path)).hardware
    assert (found.name, found.tflops, found.startup_s) == ("NVIDIA X", 300.0, 9)
    forecast = estimate.estimate({**tiny, **written(tmp_path)})
    assert (forecast.device, forecast.known) == ("NVIDIA X", ("name", "tflops"))
    assert estimate.estimate(tiny).known == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tried_only": True}, "measures nothing"),
        ({"hardware": None}, "measures nothing"),
        ({"hardware": {"tflop": 3}}, r"gpu\.json: hardware\.tflop: unknown key"),
        ({"hardware": {"tflops": -1}}, r"hardware\.tflops"),
    ],
)
def test_a_file_that_measures_nothing_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        resources_of(written(tmp_path, **changes))


def test_a_missing_file_of_a_gpu_says_what_writes_it():
    with pytest.raises(ConfigError, match=r"hardware\.measured: nowhere\.json.*python -m bench gpu"):
        resources_of({"hardware": {"measured": "nowhere.json"}})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"resources": {"train": {"gpus": 8}}}, r"resources\.train\.gpus"),
        ({"hardware": {"tflop": 1}}, r"hardware\.tflop"),
        ({"resources": {"grade": {"threads": 0}}}, "threads"),
    ],
)
def test_a_misspelt_resource_is_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        resources_of(sections)


def test_a_run_buys_items_that_are_made(tiny):
    forecast = estimate.estimate({**tiny, "items": ["main_results", "cost"]})
    (red,) = (row for row in forecast.rows if row.run == "red")
    assert {"main_results", "cost"} < set(red.buys)
    assert not {"weight_noise", "paired_tests"} & set(red.buys)
