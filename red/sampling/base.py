"""The two ways of sampling: training asks live weights for groups, evaluation asks a folder for a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from red.sampling.response import Response


class Generate(Protocol):
    """The current policy's sampler at the training temperature."""

    def __call__(
        self, prompts: Sequence[tuple[int, ...]], samples: int, budgets: Sequence[int], seed: int
    ) -> list[list[Response]]:
        """`samples` responses to each prompt, of at most `budgets` tokens."""


@dataclass(frozen=True)
class Sampling:
    """How every response of an evaluation is drawn. Temperature 0 is greedy; lengths in tokens."""

    temperature: float
    max_new_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One response to draw: the prompt's token ids, the seed of this response alone, and perhaps a limit of
    its own, in tokens, below that of `Sampling`. Requests of one prompt have the same limit."""

    prompt: tuple[int, ...]
    seed: int
    limit: int | None = None

    def most(self, sampling: Sampling) -> int:
        """Tokens that the response may have."""
        return sampling.max_new_tokens if self.limit is None else min(self.limit, sampling.max_new_tokens)


class Backend(Protocol):
    """Samples from one checkpoint at a time."""

    name: str

    def load(self, checkpoint: Path) -> None:
        """Serve this checkpoint from now on."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        """Pairs (index of the request, response) as they are finished, in any order, each once."""

    def close(self) -> None:
        """Free the engine."""
