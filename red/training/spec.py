"""What is trained: the plain and complete record of one run, for one seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from red import methods
from red.errors import ConfigError
from red.methods.base import Method


@dataclass(frozen=True)
class Training:
    """What must be equal for a fair comparison; a run that differs says why. Lengths in tokens.

    `updates_per_rollout` splits the prompts of a step into that many optimizer steps; `sequences_per_update` splits
    them after so many members in the loss instead, never inside a group. An update whose gradient has a norm above
    `skip_norm` is left out. `lr_steps` (None: `steps`) is how many steps the schedule of the rate spans, `warmup` the
    share of these in which it rises.
    """

    engine: str
    steps: int
    prompts_per_step: int
    group_size: int
    max_new_tokens: int
    lr: float
    lr_schedule: Literal["linear", "constant", "cosine"] = "linear"
    lr_steps: int | None = None
    lr_floor: float = 0.0
    warmup: float = 0.0
    max_prompt_tokens: int = 1024
    updates_per_rollout: int = 1
    sequences_per_update: int | None = None
    temperature: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    skip_norm: float | None = None
    tokens_per_forward: int = 8192
    cosine_every: int = 0
    entropy_every: int = 0


@dataclass(frozen=True)
class Cluster:
    """Hardware of one OpenRLHF training; counts are per run. The local engine ignores it.

    ZeRO 1 stops at a gradient of zero, as a step without any right or any wrong answer has.
    """

    nodes: int = 1
    policy_gpus: int = 4
    rollout_engines: int = 4
    tensor_parallel: int = 1
    colocate: bool = True
    zero_stage: Literal[2, 3] = 2
    offload_optimizer: bool = False
    micro_batch: int = 1
    packing: bool = True
    attention: str = "flash_attention_2"
    gradient_checkpointing: bool = True
    vllm_memory: float = 0.6
    state_minutes: float = 20.0
    stall_minutes: float = 60.0
    graders: int = 8

    def __post_init__(self) -> None:
        if self.stall_minutes <= 0:
            raise ConfigError("cluster.stall_minutes: must be above 0")


@dataclass(frozen=True)
class RunSpec:
    """One trained thing: a line of `runs:` with everything it inherits, for one seed.

    `rate_of` names the run one of whose learning rates this one tries.
    """

    run: str
    seed: int
    scale: str
    method: str
    training: Training
    template: str
    family: Literal["common", "published"] = "common"
    label: str = ""
    row_group: str = ""
    items: tuple[str, ...] = ()
    corruption: str = "clean"
    init_from: str | None = None
    snapshots: tuple[int, ...] = ()
    because: str = ""
    rate_of: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=Cluster)

    def build_method(self) -> Method:
        """The method with this run's overrides, its lengths in tokens."""
        method = methods.method(self.method, self.overrides, f"runs.{self.run}")
        aggregation = method.objective.aggregation.resolved(self.training.max_new_tokens)
        return replace(method, objective=replace(method.objective, aggregation=aggregation))
