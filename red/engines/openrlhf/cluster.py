"""The hardware of one OpenRLHF training."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cluster:
    """GPUs of the policy (DeepSpeed) and of the rollouts (vLLM); colocated, they take turns on the same.

    `policy_gpus` is per node, `rollout_engines` counts the whole run, `tensor_parallel` is the GPUs of
    one engine. `micro_batch` is sequences per forward pass and rank. Packing needs flash attention.
    """

    nodes: int = 1
    policy_gpus: int = 4
    rollout_engines: int = 4
    tensor_parallel: int = 1
    colocate: bool = True
    zero_stage: Literal[1, 2, 3] = 2
    offload_optimizer: bool = False
    micro_batch: int = 1
    packing: bool = True
    attention: str = "flash_attention_2"
    gradient_checkpointing: bool = True
    vllm_memory: float = 0.6
    state_minutes: float = 20.0
    graders: int = 8

    @property
    def ranks(self) -> int:
        """Data-parallel ranks of the policy."""
        return self.nodes * self.policy_gpus

    @property
    def gpus(self) -> int:
        """GPUs that the run occupies."""
        rollout = self.rollout_engines * self.tensor_parallel
        return max(self.ranks, rollout) if self.colocate else self.ranks + rollout


DEFAULT = Cluster()
