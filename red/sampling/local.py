"""Sampling in this process with the project's own Qwen2 and Llama: no engine to start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

import torch

from red.errors import ConfigError
from red.models import checkpoint as checkpoints
from red.models.checkpoint import Checkpoint
from red.sampling.base import Request, Sampling
from red.sampling.response import Response
from red.sampling.sampler import sample

# Responses in one batch; also what an interruption can lose at most.
ROWS = 256


@dataclass(frozen=True)
class LocalGenerate:
    """`Generate` with the weights in this process; one random stream per call."""

    checkpoint: Checkpoint
    temperature: float

    def __call__(
        self, prompts: Sequence[tuple[int, ...]], samples: int, budgets: Sequence[int], seed: int
    ) -> list[list[Response]]:
        """Satisfies `red.sampling.base.Generate`."""
        return sample(
            self.checkpoint.model,
            prompts,
            samples=samples,
            max_new_tokens=list(budgets),
            stop_ids=self.checkpoint.codec.stop_ids,
            temperature=self.temperature,
            generator=torch.Generator().manual_seed(seed),
        )


class LocalBackend:
    """Each response is drawn from numbers made from its own seed, whatever else is in its batch."""

    name = "local"

    def load(self, checkpoint: Path) -> None:
        """Read the weights into memory, or onto the GPU if there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = checkpoints.load(checkpoint, device)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        """Batches of about ROWS responses; prompts with equally many responses share a batch."""
        if sampling.top_p != 1.0:
            raise ConfigError("evaluation.top_p: the local backend has only 1.0")
        for batch, samples in _batches(requests):
            uniform = None
            if sampling.temperature > 0:
                numbers = [_uniform(requests[i].seed, sampling.max_new_tokens) for i in batch]
                uniform = torch.stack(numbers).view(-1, samples, sampling.max_new_tokens)
            groups = sample(
                self._model.model,
                [requests[i].prompt for i in batch[::samples]],
                samples=samples,
                max_new_tokens=[requests[i].most(sampling) for i in batch[::samples]],
                stop_ids=self._model.codec.stop_ids,
                temperature=sampling.temperature,
                uniform=uniform,
            )
            yield from zip(batch, chain.from_iterable(groups), strict=True)

    def close(self) -> None:
        """Nothing outlives this object."""


def open_backend() -> LocalBackend:
    """A backend without a checkpoint yet."""
    return LocalBackend()


def _batches(requests: Sequence[Request]) -> Iterator[tuple[list[int], int]]:
    """(indices of requests, responses per prompt), whole prompts only, in order."""
    batch: list[int] = []
    size = 0
    for _, group in groupby(range(len(requests)), key=lambda i: requests[i].prompt):
        indices = list(group)
        if batch and (len(indices) != size or len(batch) + size > ROWS):
            yield batch, size
            batch = []
        batch, size = batch + indices, len(indices)
    if batch:
        yield batch, size


def _uniform(seed: int, count: int) -> torch.Tensor:
    """`count` numbers in [0, 1), the same for the same seed."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))
