"""Checks before anything is submitted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from red.study import config, doctor
from red.study.cluster import Gpu, Partition
from red.study.estimate import estimate
from red.study.resources import STAGES, Request, Resources, Stages, is_sized, resources_of
from tests.fixtures.programs import only, programs


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml")


@pytest.fixture(scope="module")
def paper(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml", repository / "config" / "paper.yaml")


def verdicts(found) -> dict[str, str]:
    return {check.name: check.verdict for check in found}


def test_the_tiny_scale_needs_no_gpu_no_hub_and_fits(tiny):
    found = verdicts(doctor.checks(tiny))
    for name in ("GPUs", "disk", "downloads", "tokens in training", "tokens in evaluation"):
        assert found[name] == "ok", name


def test_a_missing_package_fails_and_another_version_warns(monkeypatch):
    installed = {"torch": "9.9", "numpy": "2.3.5"}
    monkeypatch.setattr(doctor, "_version", installed.get)
    found = verdicts(doctor.packages(["torch", "numpy", "vllm"]))
    assert found == {"torch": "warn", "numpy": "ok", "vllm": "fail"}


def test_too_few_and_too_small_gpus_fail(paper):
    forecast, resources = estimate(paper), resources_of(paper)
    small = [Gpu("A10", 24000, "580.1")]
    found = verdicts(doctor.accelerators(forecast, resources, [], small))
    assert (found["GPUs"], found["GPU memory"]) == ("fail", "fail")


def test_a_node_of_the_cluster_may_offer_the_gpus(paper):
    forecast, resources = estimate(paper), resources_of(paper)
    node = Partition("gpu", True, None, 4, 128, 1_000_000, 8)
    assert verdicts(doctor.accelerators(forecast, resources, [node], []))["GPUs"] == "ok"


def test_requests_above_a_limit_of_the_partition_fail():
    stages = Stages(train=Request(gpu=8, threads=64, mem_mb=400_000, runtime=2880))
    partition = Partition("gpu", True, 1440, 4, 32, 500_000, 8)
    found = {check.name: check for check in doctor.queue(Resources(stages=stages), [partition])}
    assert found["Slurm: train"].verdict == "fail"
    assert "64 cores" in found["Slurm: train"].text and "2880 minutes" in found["Slurm: train"].text
    assert found["Slurm: grade"].verdict == "ok"


def test_an_unknown_partition_is_named_with_the_known_ones():
    (check,) = doctor.queue(Resources(), [Partition("gpu", True, None, 1, 1, 4000, 0)], "gqu")
    assert check.verdict == "fail" and "gqu" in check.text and "known: gpu" in check.text


def test_a_slurm_that_is_here_in_part_fails_in_one_line(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", only(tmp_path / "system", "sh"))
    monkeypatch.setenv("PATH", programs(tmp_path / "slurm", sinfo="echo 'gpu*|infinite|4|64|500000|gpu:8'"))
    (check,) = [check for check in doctor.checks(tiny) if check.name.startswith("Slurm")]
    assert check.verdict == "fail" and "neither squeue nor sacct" in check.text


def test_more_tokens_than_the_window_fail(tiny):
    document = {**tiny, "evaluation": {**tiny["evaluation"], "max_new_tokens": 4000}}
    found = verdicts(doctor.windows(document, resources_of(document)))
    assert found["tokens in evaluation"] == "fail"


@pytest.fixture
def mine(tiny, tmp_path) -> dict:
    """A study of somebody's own: a model folder, a file of prompts and demonstrations, a file of problems."""
    (tmp_path / "model").mkdir()
    sizes = {"num_hidden_layers": 5, "hidden_size": 96, "vocab_size": 1000, "max_position_embeddings": 2048}
    (tmp_path / "model" / "config.json").write_text(json.dumps(sizes))
    weights = {"a": np.zeros((1000, 96), np.float32), "b": np.zeros(96, np.float32)}
    save_file(weights, tmp_path / "model" / "model.safetensors")
    for name in ("train.jsonl", "test.jsonl"):
        (tmp_path / name).write_text("")
    texts = {"source": "openr1", "data_dir": str(tmp_path), "file": "train.jsonl"}
    mine = {"data_dir": str(tmp_path), "file": "test.jsonl", "grader": "math", "metric": "pass_at_1", "samples": 4}
    document = {
        **{"scale": "mine", "large_model": None, "data": {"prompts": texts, "demonstrations": texts}},
        "model": {"source": "hub", "id": "me/my-model", "folder": str(tmp_path / "model")},
        "benchmarks": {"mine": {"source": "mine", "group": "math", **mine}},
    }
    return {**tiny, **document}


def test_the_size_of_an_own_model_is_that_of_its_folder(mine):
    shape = resources_of(mine).shape
    assert (shape.parameters, shape.layers, shape.hidden_size) == (96_096, 5, 96)
    assert (shape.vocabulary, shape.window) == (1000, 2048)
    assert resources_of({**mine, "shape": {"window": 99}}).shape == replace(shape, window=99)
    (check, _) = doctor.windows(mine, resources_of(mine))
    assert check.verdict == "ok" and check.text.endswith("the model's window is 2048")


def test_a_model_that_is_not_here_has_no_window_that_anybody_knows(mine):
    """Least of all that of the tiny one."""
    away = {**mine, "model": {"source": "hub", "id": "me/my-model"}}
    checks = list(doctor.windows(away, resources_of(away)))
    assert [check.verdict for check in checks] == ["warn", "warn"]
    assert all("is not known: give its `shape`" in check.text for check in checks)
    assert is_sized(mine) and is_sized({**away, "shape": {"window": 99}}) and not is_sized(away)


@pytest.mark.parametrize(
    ("gone", "key"),
    [("model", "model.folder"), ("train.jsonl", "data.prompts.file"), ("test.jsonl", "benchmarks.mine.file")],
)
def test_files_that_the_configuration_names_are_here(mine, tmp_path, gone, key):
    (check,) = doctor.named_files(mine)
    assert (check.verdict, check.text) == ("ok", "all 4 that the configuration names are here")
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    (check,) = doctor.named_files(mine)
    assert check.verdict == "fail" and f"{key} ({tmp_path / gone})" in check.text


def test_a_local_copy_or_the_hub_is_enough(paper, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (check,) = doctor.downloads(paper)
    assert check.verdict == "fail" and "Qwen/Qwen2.5-Math-1.5B" in check.text
    for name in doctor._hub_names(paper):
        (tmp_path / f"models--{name.replace('/', '--')}" / "snapshots").mkdir(parents=True)
    (check,) = doctor.downloads(paper)
    assert check.verdict == "ok"


USUAL_NODE = Partition("gpu", True, 1440, 8, 96, 500_000, 8)


def test_every_attempt_of_the_paper_fits_a_usual_node(paper):
    found = list(doctor.queue(resources_of(paper), [USUAL_NODE]))
    assert len(found) == len(STAGES) and {check.verdict for check in found} == {"ok"}


def test_the_memory_of_the_last_attempt_counts(paper):
    stages = {**paper["resources"], "train": {**paper["resources"]["train"], "mem_limit": 0}}
    found = {check.name: check for check in doctor.queue(resources_of({"resources": stages}), [USUAL_NODE])}
    assert "2000000 MB of memory in the last attempt asked" in found["Slurm: train"].text


@pytest.mark.parametrize(("nodes", "at_once"), [(0, doctor.FEW), (2, 2), (1000, 56)])
def test_disk_has_room_for_the_states_of_the_trainings_that_the_cluster_runs_at_once(paper, tmp_path, nodes, at_once):
    forecast = estimate(paper)
    partitions = [Partition("gpu", True, 1440, nodes, 96, 500_000, 8)] if nodes else []
    assert forecast.trainings == 56
    assert doctor.trainings_at_once(forecast, partitions) == at_once
    # 1.54e9 parameters, 14 bytes each, the last whole state and the one being written; ReLIFT's other moments
    state = 2 * (14 + 8) * 1.54e9
    needed = (1.2 * forecast.total.disk + at_once * state) / 2**30
    assert doctor.disk(forecast, tmp_path, at_once).text.startswith(f"{needed:.1f} GiB needed")


NVCC = 'echo "Cuda compilation tools, release {0}, V{0}.48"'


@pytest.mark.parametrize(
    ("installed", "offloads", "nvcc", "verdict"),
    [
        ({"flash-attn": "2.8.3"}, False, None, None),
        ({}, False, None, "fail"),
        ({}, False, "13.0", "ok"),
        ({}, False, "13.2", "warn"),
        ({"flash-attn": "2.8.3"}, True, "13.0", "ok"),
        ({"flash-attn": "2.8.3"}, True, "13.2", "fail"),
    ],
)
def test_the_cuda_compiler_is_asked_for_where_something_is_built(
    monkeypatch, tmp_path, installed, offloads, nvcc, verdict
):
    monkeypatch.setattr(doctor, "_version", installed.get)
    monkeypatch.setattr(doctor, "_cuda_of_torch", lambda: "13.0")
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("PATH", only(tmp_path / "system", "sh"))
    if nvcc:
        monkeypatch.setenv("PATH", programs(tmp_path / "cuda", nvcc=NVCC.format(nvcc)))
    found = list(doctor.compiler(["torch", "flash-attn"], offloads))
    assert [check.verdict for check in found] == ([verdict] if verdict else [])


def test_an_offloaded_optimizer_is_built_at_the_first_start(paper, tiny):
    assert not doctor._offloads(paper) and not doctor._offloads(tiny)
    assert doctor._offloads({**paper, "cluster": {**paper["cluster"], "zero_stage": 3, "offload_optimizer": True}})
