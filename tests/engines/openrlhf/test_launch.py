"""What can be checked of a launch without any engine installed: commands, options, states."""

from contextlib import suppress
from dataclasses import replace

import pytest
import torch

from red.engines.openrlhf import states
from red.engines.openrlhf.allocation import address_of, head_command, head_port, hosts, step_environment, worker_command
from red.engines.openrlhf.arguments import arguments, gpus
from red.errors import ConfigError, DataError, RedError
from red.plumbing.records import from_mapping
from red.training.files import RunFiles
from red.training.spec import Cluster, RunSpec, Training
from tests.fixtures.programs import programs

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


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A job of three nodes, one of which has an address beside its name."""
    answers = {
        "squeue": '[ "$*" = "--noheader --jobs=17 --format=%N" ] && echo "gpu[1-3]"',
        "scontrol": (
            'case "$*" in "show hostnames gpu[1-3]") printf "gpu1\\ngpu2\\ngpu3\\n";; '
            '"show node gpu2 --oneliner") echo "NodeName=gpu2 NodeAddr=127.0.0.9 NodeHostName=gpu2";; '
            "*) echo unknown >&2; exit 1;; esac"
        ),
    }
    monkeypatch.setenv("PATH", programs(tmp_path / "slurm", **answers))


def test_the_head_starts_beside_the_driver_and_each_other_node_in_a_step_of_its_own(slurm):
    offer = ["--num-cpus=64", "--num-gpus=8", "--disable-usage-stats", "--block"]
    head = ["--node-ip-address=127.0.0.1", "--port=24711", "--include-dashboard=false"]
    assert head_command("127.0.0.1", 24711, 64, 8) == ["ray", "start", "--head", *head, *offer]
    worker = worker_command("17", "gpu2", "127.0.0.1", 24711, 64, 8)
    step = ["--jobid=17", "--overlap", "--nodes=1", "--ntasks=1", "--nodelist=gpu2", "--kill-on-bad-exit=0"]
    assert worker[: worker.index("ray")] == ["srun", *step, "--gres=gpu:8"]
    assert worker[worker.index("ray") :][2:] == ["--node-ip-address=127.0.0.9", "--address=127.0.0.1:24711", *offer]


def test_the_nodes_are_those_of_the_job_not_of_its_step_and_the_drivers_own_comes_first(slurm):
    step = {"SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "gpu2"}
    assert hosts(step | {"SLURMD_NODENAME": "gpu2"}) == ["gpu2", "gpu1", "gpu3"]
    assert hosts(step) == ["gpu1", "gpu2", "gpu3"]
    assert hosts({}) == []


def test_what_slurm_says_of_a_step_is_no_wish_for_the_next():
    outer = {"SLURM_JOB_ID": "17", "SLURM_NNODES": "1", "SRUN_CPUS_PER_TASK": "2", "SLURM_CONF": "/c", "PATH": "/bin"}
    assert step_environment(outer) == {"SLURM_JOB_ID": "17", "SLURM_CONF": "/c", "PATH": "/bin"}


def test_a_controller_that_complains_is_quoted(slurm):
    with pytest.raises(RedError, match="^scontrol: unknown$"):
        address_of("gpu7")


def test_jobs_of_one_node_use_different_ports():
    assert head_port("4711") != head_port("4712")
    assert 1024 < head_port("123456789") < 65536


def test_options_follow_the_run_and_its_cluster(files):
    words = arguments(RUN, files)
    assert option(words, "data.max_len") == str(1024 + 8192)
    assert option(words, "actor.adam.lr") == "2e-06"
    assert words[words.index("--actor.adam.betas") + 1 :][:2] == ["0.9", "0.95"]
    # One accumulation step per micro-batch: our trainer sets the boundaries.
    assert option(words, "train.batch_size") == "4" and option(words, "train.micro_batch_size") == "1"
    assert option(words, "ds.grad_accum_dtype") == "fp32"
    sleeping = {"--vllm.enable_sleep", "--ds.enable_sleep"}
    assert {"--train.colocate_all", *sleeping} <= set(words)
    awake = arguments(replace(RUN, cluster=Cluster(sleep=False)), files)
    assert "--train.colocate_all" in awake and not sleeping & set(awake)
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
            torch.save({"step": rank}, actor / tag / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")
    (actor / "latest").write_text("global_step6")
    states.keep_whole(tmp_path, 2)
    assert sorted(path.name for path in actor.iterdir()) == ["global_step6", "latest"]
    with pytest.raises(ConfigError, match="shards of 2 ranks, this run has 4"):
        states.keep_whole(tmp_path, 4)
    states.keep_whole(tmp_path / "nothing_yet", 4)


def test_a_damaged_state_is_refused_before_it_is_read_as_other_numbers(tmp_path):
    tag = tmp_path / "_actor" / "global_step6"
    tag.mkdir(parents=True)
    (tmp_path / "_actor" / "latest").write_text("global_step6")
    file = tag / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"
    torch.save({"moments": torch.arange(500.0), "step": 6}, file)
    whole = file.read_bytes()
    states.keep_whole(tmp_path, 1)
    silent = 0
    for position in range(0, len(whole), 50):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            states.keep_whole(tmp_path, 1)
        except DataError as error:
            assert str(error).startswith(f"{file}: damaged; restore it, or delete")
            continue
        silent += 1
        with suppress(RuntimeError):  # torch notices what it needs to find the tensors
            found = torch.load(file, weights_only=True)
            assert torch.equal(found["moments"], torch.arange(500.0)) and found["step"] == 6
    assert silent < len(range(0, len(whole), 50)) / 4, "most bytes are those of tensors"
    file.write_bytes(whole[:-200])
    with pytest.raises(DataError, match="damaged"):
        states.keep_whole(tmp_path, 1)
