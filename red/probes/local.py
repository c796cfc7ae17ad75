"""Probes of models that the local engine computes, in float32, bit for bit the same after an interruption."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import torch

from red.methods.base import Problem
from red.models.checkpoint import Checkpoint, load
from red.models.passes import Pair, forward, parts
from red.probes.reader import TOKENS_PER_FORWARD, Draw, Measured, Rollout
from red.sampling.local import LocalGenerate


class LocalReader:
    """Satisfies `red.probes.reader.Reader`.

    All rollouts come from one random stream, and what is computed together stays together: an item that is
    missing is computed again with its neighbors.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._checkpoint: Checkpoint

    def rollouts(
        self, model: Path, wanted: Sequence[tuple[Problem, int]], problems: Sequence[Problem], draw: Draw
    ) -> Iterator[Rollout]:
        """All at once."""
        generate = LocalGenerate(self._load(model), 1.0)
        budgets = [draw.max_new_tokens] * len(problems)
        groups = generate([problem.prompt for problem in problems], draw.samples, budgets, draw.seed)
        found = {problem.id: group for problem, group in zip(problems, groups, strict=True)}
        for problem, index in wanted:
            yield Rollout(problem, index, found[problem.id][index])

    @torch.no_grad()
    def measure(self, model: Path, pairs: Sequence[Pair], wanted: Collection[int]) -> Iterator[Measured]:
        """Packed passes; a batch without a wanted pair is left out."""
        network, first = self._load(model).model, 0
        for part in parts(pairs, TOKENS_PER_FORWARD):
            numbers = range(first, first + len(part))
            first += len(part)
            if not any(number in wanted for number in numbers):
                continue
            whole = forward(network, part, 1.0, TOKENS_PER_FORWARD).measured()
            for row, (number, (_, response)) in enumerate(zip(numbers, part, strict=True)):
                if number in wanted:
                    length = len(response)
                    yield Measured(number, whole.logp[row, :length], whole.entropy[row, :length])

    def close(self) -> None:
        """Drop the weights."""
        self._folder = None
        self.__dict__.pop("_checkpoint", None)

    def _load(self, folder: Path) -> Checkpoint:
        if folder != self._folder:
            self.close()
            self._checkpoint = load(folder, "cuda" if torch.cuda.is_available() else "cpu")
            self._folder = folder
        return self._checkpoint
