"""What `red generate` is told: plain records, so that a configuration is checked without loading a model's code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from red.errors import ConfigError
from red.ranges import Count, Length, Natural, NonNegative, PositiveShare, Processes


@dataclass(frozen=True)
class EvaluationSettings:
    """The section `evaluation` of the configuration. `workers` grade, 1 by default in a workflow's job."""

    backend: Literal["local", "vllm"]
    temperature: NonNegative
    max_new_tokens: Length
    top_p: PositiveShare = 1.0
    seed: Natural = 0
    workers: Processes = 1


@dataclass(frozen=True)
class GenerationSpec:
    """What `red generate` is told. `benchmarks` are entries of the configuration; `limit` is for a first look.

    `system` is the training data's own system prompt, for templates that have one.
    """

    template: str
    evaluation: EvaluationSettings
    benchmarks: Mapping[str, Any]
    run: str = ""
    seed: Natural = 0
    limit: Count | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise ConfigError("benchmarks: name at least one")
