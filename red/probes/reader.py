"""How a probe reads a model: what the model samples, and what it gives to the tokens of a text."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

from red.methods.base import Problem
from red.models.passes import Pair
from red.sampling.response import Response

TOKENS_PER_FORWARD = 16384


class Draw(NamedTuple):
    """Rollouts per problem, their limit in tokens, and the seed of all of them."""

    samples: int
    max_new_tokens: int
    seed: int


class Rollout(NamedTuple):
    """One of the responses to a problem."""

    problem: Problem
    sample: int
    response: Response


class Measured(NamedTuple):
    """Number of a pair, and (T,) log-probabilities and entropies (nats) of its response's tokens at temperature 1."""

    pair: int
    logp: Tensor
    entropy: Tensor


class Reader(Protocol):
    """One model folder at a time. Both methods give items as they are finished, in any order."""

    def rollouts(
        self, model: Path, wanted: Sequence[tuple[Problem, int]], problems: Sequence[Problem], draw: Draw
    ) -> Iterator[Rollout]:
        """At temperature 1. `problems` are all of the probe, of which some are `wanted`, as (problem, index)."""

    def measure(self, model: Path, pairs: Sequence[Pair], wanted: Collection[int]) -> Iterator[Measured]:
        """A teacher-forced pass over the wanted pairs, at most about TOKENS_PER_FORWARD tokens at once."""

    def close(self) -> None:
        """Free the memory."""
