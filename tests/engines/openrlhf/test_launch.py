"""What can be checked of a launch without any engine installed: commands, options, states."""

import os
import stat
from dataclasses import replace

import pytest

from red.engines.openrlhf import states
from red.engines.openrlhf.allocation import head_command, head_port, hosts, worker_command
from red.engines.openrlhf.arguments import arguments, gpus
from red.errors import ConfigError
from red.plumbing.records import from_mapping
from red.training.files import RunFiles
from red.training.spec import Cluster, RunSpec, Training

RUN = RunSpec(
    run="red",
    seed=2,
    scale="paper",
    method="red",
    template="think",
    training=Training(engine="openrlhf", steps=500, prompts_per_step=128, group_size=8, max_new_tokens=8192, lr=2e-6),
)


@pytest.fixture
def files(tmp_path):
    return RunFiles(tmp_path / "base", tmp_path / "p", tmp_path / "d", tmp_path / "run")


def option(words, name):
    return words[words.index(f"--{name}") + 1]


def test_the_head_starts_on_one_node_and_the_workers_join_it_in_one_step():
    head = head_command("node1", "10.0.0.1", 24711, 64, 8)
    assert head == [
        "srun",
        "--overlap",
        "--nodes=1",
        "--ntasks=1",
        "--ntasks-per-node=1",
        "--nodelist=node1",
        "--kill-on-bad-exit=0",
        "ray",
        "start",
        "--head",
        "--node-ip-address=10.0.0.1",
        "--port=24711",
        "--include-dashboard=false",
        "--num-cpus=64",
        "--num-gpus=8",
        "--disable-usage-stats",
        "--block",
    ]
    workers = worker_command(["node2", "node3"], "10.0.0.1", 24711, 64, 8)
    assert workers[:6] == [
        "srun",
        "--overlap",
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--nodelist=node2,node3",
    ]
    assert "--address=10.0.0.1:24711" in workers and workers[-1] == "--block"


def test_the_drivers_own_node_comes_first(tmp_path, monkeypatch):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$*" = "show hostnames gpu[1-3]" ] && printf "gpu1\\ngpu2\\ngpu3\\n"\n')
    scontrol.chmod(scontrol.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert hosts({"SLURM_JOB_NODELIST": "gpu[1-3]", "SLURMD_NODENAME": "gpu2"}) == ["gpu2", "gpu1", "gpu3"]
    assert hosts({"SLURM_JOB_NODELIST": "gpu[1-3]"}) == ["gpu1", "gpu2", "gpu3"]
    assert hosts({}) == []


def test_jobs_of_one_node_use_different_ports():
    assert head_port("4711") != head_port("4712")
    assert 1024 < head_port("123456789") < 65536


def test_options_follow_the_run_and_its_cluster(files):
    words = arguments(RUN, files)
    assert option(words, "data.max_len") == str(1024 + 8192)
    assert option(words, "actor.adam.lr") == "2e-06"
    assert words[words.index("--actor.adam.betas") + 1 :][:2] == ["0.9", "0.95"]
    # One accumulation step per micro-batch: our trainer sets the boundaries.
    assert option(words, "train.batch_size") == "4"
    assert option(words, "ds.grad_accum_dtype") == "fp32"
    assert {"--train.colocate_all", "--vllm.enable_sleep", "--ds.enable_sleep"} <= set(words)
    assert option(words, "ckpt.path") == str((files.out / "state" / "deepspeed").resolve())


def test_supervised_training_takes_no_gpu_for_sampling(files):
    sft = replace(RUN, method="sft", cluster=Cluster(colocate=False))
    assert option(arguments(sft, files), "vllm.num_engines") == "0" and gpus(sft) == 4
    watched = replace(sft, training=replace(sft.training, entropy_every=50))
    assert option(arguments(watched, files), "vllm.num_engines") == "4" and gpus(watched) == 8
    assert gpus(RUN) == 4 and gpus(replace(RUN, cluster=Cluster(nodes=2, rollout_engines=8))) == 8


def test_gpus_that_cannot_be_shared_are_refused_with_the_key(files):
    with pytest.raises(ConfigError, match="cluster.colocate: vLLM takes 2 GPUs and the policy 4"):
        arguments(replace(RUN, cluster=Cluster(rollout_engines=2)), files)
    with pytest.raises(ConfigError, match="zero_stage: 1 is not one of 2, 3"):
        from_mapping(Cluster, {"zero_stage": 1}, "cluster")
    with pytest.raises(ConfigError, match="zero_stage"):
        arguments(replace(RUN, cluster=Cluster(offload_optimizer=True)), files)
    with pytest.raises(ConfigError, match="cluster.rollout_engines"):
        arguments(replace(RUN, cluster=Cluster(rollout_engines=0, colocate=False)), files)


def test_only_the_last_whole_state_survives_a_kill(tmp_path):
    actor = tmp_path / "_actor"
    for tag, shards in (("global_step3", 2), ("global_step6", 2), ("global_step9", 1)):
        (actor / tag).mkdir(parents=True)
        for rank in range(shards):
            (actor / tag / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt").touch()
    (actor / "latest").write_text("global_step6")
    states.keep_whole(tmp_path, 2)
    assert sorted(path.name for path in actor.iterdir()) == ["global_step6", "latest"]
    with pytest.raises(ConfigError, match="shards of 2 ranks, this run has 4"):
        states.keep_whole(tmp_path, 4)
    states.keep_whole(tmp_path / "nothing_yet", 4)
