"""The command line that OpenRLHF's own parser gets. What is not named here keeps its default."""

from red.engines.openrlhf import states
from red.errors import ConfigError
from red.training.files import RunFiles
from red.training.spec import Cluster, RunSpec


def samples_rollouts(run: RunSpec) -> bool:
    """Whether anything in the run samples: a supervised run without measurements needs no vLLM."""
    return run.build_method().mix.rollouts != "none" or run.training.entropy_every > 0


def ranks(cluster: Cluster) -> int:
    """Data-parallel ranks of the policy."""
    return cluster.nodes * cluster.policy_gpus


def gpus(run: RunSpec) -> int:
    """GPUs that the run occupies."""
    cluster = run.cluster
    rollout = cluster.rollout_engines * cluster.tensor_parallel if samples_rollouts(run) else 0
    return max(ranks(cluster), rollout) if cluster.colocate else ranks(cluster) + rollout


def arguments(run: RunSpec, files: RunFiles) -> list[str]:
    """Options of `openrlhf.cli.train_ppo_ray`; ConfigError if the GPUs cannot be shared as asked."""
    training, cluster = run.training, run.cluster
    colocate = cluster.colocate and samples_rollouts(run)
    rollout_gpus = cluster.rollout_engines * cluster.tensor_parallel
    if colocate and rollout_gpus != ranks(cluster):
        raise ConfigError(
            f"cluster.colocate: vLLM takes {rollout_gpus} GPUs and the policy {ranks(cluster)}; colocated, "
            "they share the same ones, so the numbers must be equal"
        )
    if cluster.offload_optimizer and cluster.zero_stage == 2:
        raise ConfigError(
            "cluster.offload_optimizer: under zero_stage 2 DeepSpeed sums the gradients of "
            "micro-batches in bfloat16; use zero_stage 3"
        )
    if samples_rollouts(run) and cluster.rollout_engines < 1:
        raise ConfigError(f"cluster.rollout_engines: {run.method} samples rollouts and needs at least 1")
    options: dict[str, object] = {
        "actor.model_name_or_path": files.parent.resolve(),
        "actor.num_nodes": cluster.nodes,
        "actor.num_gpus_per_node": cluster.policy_gpus,
        "actor.adam.lr": training.lr,
        "actor.adam.betas": training.betas,
        "actor.adam.weight_decay": training.weight_decay,
        "actor.max_norm": training.grad_clip,
        "actor.lr_scheduler": "constant",
        "actor.lr_warmup_ratio": 0,
        "actor.gradient_checkpointing_enable": cluster.gradient_checkpointing,
        "vllm.num_engines": cluster.rollout_engines if samples_rollouts(run) else 0,
        "vllm.tensor_parallel_size": cluster.tensor_parallel,
        "vllm.gpu_memory_utilization": cluster.vllm_memory,
        "vllm.enable_prefix_caching": True,
        "vllm.enable_sleep": colocate and cluster.sleep,
        # Who runs the policy without fused kernels wants to see through: tests, or a debugger.
        "vllm.enforce_eager": cluster.attention == "eager",
        "train.colocate_all": colocate,
        # One accumulation step: `ObjectiveTrainer` says which micro-batch is an update's last.
        "train.batch_size": ranks(cluster),
        "train.micro_batch_size": 1,
        "train.seed": run.seed,
        "rollout.micro_batch_size": 1,
        "rollout.temperature": training.temperature,
        "data.max_len": training.max_prompt_tokens + training.max_new_tokens,
        "ds.zero_stage": cluster.zero_stage,
        "ds.adam_offload": cluster.offload_optimizer,
        "ds.grad_accum_dtype": "fp32",
        "ds.attn_implementation": cluster.attention,
        "ds.packing_samples": cluster.packing,
        "ds.enable_sleep": colocate and cluster.sleep,
        "algo.advantage.estimator": "reinforce",
        "algo.kl.init_coef": 0,
        # Rewards come from the controller; without a name here OpenRLHF would start a reward model.
        "reward.remote_url": "controller",
        "ckpt.path": states.folder(files),
        "ckpt.output_dir": files.state.resolve() / "unused",
        "ckpt.save_steps": 1,
        "ckpt.max_num": states.KEPT,
        "ckpt.load_enable": True,
    }
    return [word for name, value in options.items() for word in _words(name, value)]


def _words(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{name}", *map(str, values)]
