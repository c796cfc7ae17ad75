"""What a stage asks of a machine, and the facts about machine, model and texts that estimates use.

Section `resources` of the configuration; every field has a default that fits the tiny scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from red.errors import ConfigError
from red.records import from_mapping, merged


@dataclass(frozen=True)
class Request:
    """One job of a stage. `mem_mb` is the machine's memory, `runtime` the most minutes of one attempt.

    A training that needs longer continues from its state in the next of `retries` attempts.
    """

    gpu: int = 0
    threads: int = 1
    mem_mb: int = 1500
    runtime: int = 60
    retries: int = 0

    def __post_init__(self) -> None:
        for name in ("threads", "mem_mb", "runtime"):
            if getattr(self, name) < 1:
                raise ConfigError(f"resources: {name} must be at least 1")
        if min(self.gpu, self.retries) < 0:
            raise ConfigError("resources: gpu and retries must not be negative")


@dataclass(frozen=True)
class Hardware:
    """One device (a GPU, or a CPU core where no GPU is asked for), at what it sustains.

    `tflops`: training, floating-point operations done per second / 1e12 (peak x utilization).
    `decode_tokens_per_s`: sampled tokens per second with full batches of the base model.
    `startup_s`: seconds of one job before its first step. `rollout_memory`: share of the memory that
    the sampling engine keeps for itself.
    """

    name: str = "CPU core"
    memory_gib: float = 4.0
    tflops: float = 0.02
    decode_tokens_per_s: float = 30000.0
    startup_s: float = 4.0
    rollout_memory: float = 0.0


@dataclass(frozen=True)
class Shape:
    """Size of a model."""

    parameters: float = 138e3
    layers: int = 3
    hidden_size: int = 64
    vocabulary: int = 192
    window: int = 256


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of a prompt, a rollout, a demonstration and a generation; a forecast, not a limit."""

    prompt: float = 12.0
    rollout: float = 25.0
    demonstration: float = 45.0
    generation: float = 30.0


@dataclass(frozen=True)
class Behaviour:
    """Shares of prompts on which the cost of a method depends, as forecast for the whole training.

    `failed`: every rollout is wrong. `uninformative`: all verdicts of a group are equal.
    """

    failed: float = 0.35
    uninformative: float = 0.5


@dataclass(frozen=True)
class Resources:
    """All of it."""

    model: Request = Request(runtime=60)
    demonstrations: Request = Request()
    train: Request = Request(retries=2)
    generate: Request = Request(retries=2)
    grade: Request = Request()
    probe: Request = Request(retries=1)
    hardware: Hardware = field(default_factory=Hardware)
    shape: Shape = field(default_factory=Shape)
    large_shape: Shape = field(default_factory=Shape)
    lengths: Lengths = field(default_factory=Lengths)
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __getitem__(self, stage: str) -> Request:
        return getattr(self, stage)


def resources_of(config: Mapping[str, Any]) -> Resources:
    """The section `resources` over the defaults; ConfigError names the key."""
    return merged(from_mapping(Resources, {}, "resources"), config.get("resources") or {}, "resources")
