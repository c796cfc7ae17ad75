"""What is trained: the plain and complete record of one run, for one seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from red import methods
from red.errors import ConfigError
from red.methods.base import Method
from red.ranges import (
    AT_ONCE,
    AtLeastOne,
    Count,
    Decay,
    Length,
    Natural,
    NonNegative,
    Positive,
    PositiveShare,
    Rows,
    Share,
)


@dataclass(frozen=True)
class Training:
    """What must be equal for a fair comparison; a run that differs says why. Lengths in tokens.

    `updates_per_rollout` splits the prompts of a step into that many optimizer steps; `sequences_per_update` splits
    them after so many members in the loss instead, never inside a group. An update whose gradient has a norm above
    `skip_norm` is left out. `lr_steps` (None: `steps`) is how many steps the schedule of the rate spans, `warmup` the
    share of these in which it rises. With `oversampling`, so many times the responses are begun and those that end
    first are kept: a step does not wait for the longest, but learns from shorter ones than the policy gives.
    """

    engine: str
    steps: Count
    prompts_per_step: Rows
    group_size: Rows
    max_new_tokens: Length
    lr: Positive
    lr_schedule: Literal["linear", "constant", "cosine"] = "linear"
    lr_steps: Count | None = None
    lr_floor: Share = 0.0
    warmup: Share = 0.0
    max_prompt_tokens: Length = 1024
    updates_per_rollout: Count = 1
    sequences_per_update: Count | None = None
    temperature: Positive = 1.0
    oversampling: AtLeastOne = 1.0
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    weight_decay: NonNegative = 0.0
    grad_clip: Positive = 1.0
    skip_norm: Positive | None = None
    tokens_per_forward: Count = 8192
    cosine_every: Natural = 0
    entropy_every: Natural = 0

    def __post_init__(self) -> None:
        if self.prompts_per_step * self.group_size > AT_ONCE:
            raise ConfigError(f"group_size: with prompts_per_step more than {AT_ONCE:,} rollouts in a step")
        if self.prompts_per_step % self.updates_per_rollout:
            raise ConfigError("updates_per_rollout: must divide prompts_per_step")
        if self.sequences_per_update is not None and self.updates_per_rollout > 1:
            raise ConfigError("sequences_per_update: a step is split by it or by updates_per_rollout, not by both")
        if self.oversampling > 1 and self.engine == "local":
            raise ConfigError("oversampling: the local engine waits for nobody; take 1, or engine: openrlhf")


@dataclass(frozen=True)
class Cluster:
    """Hardware of one OpenRLHF training; counts are per run. The local engine ignores it.

    With `sleep`, vLLM and the optimizer that share GPUs leave these to each other in turn, where their memory does not
    hold both. ZeRO 1 stops at a gradient of zero, as a step without any right or any wrong answer has.
    """

    nodes: Count = 1
    policy_gpus: Count = 4
    rollout_engines: Natural = 4
    tensor_parallel: Count = 1
    colocate: bool = True
    zero_stage: Literal[2, 3] = 2
    offload_optimizer: bool = False
    sleep: bool = True
    packing: bool = True
    attention: str = "flash_attention_2"
    gradient_checkpointing: bool = True
    vllm_memory: PositiveShare = 0.6
    state_minutes: NonNegative = 20.0
    stall_minutes: Positive = 60.0
    graders: Count = 8


@dataclass(frozen=True)
class Redistilled:
    """Demonstrations that another run's model wrote: its right answers, all or `count` of them."""

    run: str
    count: Count | None = None


@dataclass(frozen=True)
class RunSpec:
    """One trained thing: a line of `runs:` with everything it inherits, for one seed.

    `rate_of` names the run one of whose learning rates this one tries.
    """

    run: str
    seed: Natural
    scale: str
    method: str
    training: Training
    template: str
    family: Literal["common", "published"] = "common"
    label: str = ""
    row_group: str = ""
    items: tuple[str, ...] = ()
    corruption: str = "clean"
    redistilled: Redistilled | None = None
    init_from: str | None = None
    snapshots: tuple[Count, ...] = ()
    because: str = ""
    rate_of: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=Cluster)

    def build_method(self) -> Method:
        """The method with this run's overrides, its lengths in tokens; ConfigError if it cannot be trained so."""
        method = methods.method(self.method, self.overrides, f"runs.{self.run}")
        try:
            method.mix.check(self.training.group_size)
            self._check_updates(method)
        except ConfigError as error:
            raise ConfigError(f"runs.{self.run}.{error}") from None
        return replace(method, objective=method.objective.resolved(self.training.max_new_tokens))

    def _check_updates(self, method: Method) -> None:
        """Whether the policy before a step is ever another one, where it bounds all that is learned."""
        spec, training = method.objective, self.training
        several = training.updates_per_rollout > 1 or training.sequences_per_update is not None
        if spec.rollout is None and spec.demonstration.kind == "ratio_old" and not several:
            raise ConfigError(
                f"updates_per_rollout: 1 makes {self.method} plain SFT, whose ratio is always 1; take more"
            )
