"""The local sampler: rollouts of the current policy, graded, with their tokens counted."""

import time
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

import torch

from red.data.problems import Judge
from red.methods.base import Problem, Reward, Sequence
from red.models.checkpoint import Checkpoint
from red.models.sampler import sample
from red.objective.weight import overlong_penalty


@dataclass
class LocalSampler:
    """Satisfies `red.methods.base.Sampler`. One instance per step: its generator is the step's."""

    checkpoint: Checkpoint
    judge: Judge
    reward: Reward
    max_new_tokens: int
    temperature: float
    thought_open: bool
    generator: torch.Generator
    tokens: int = 0
    seconds: float = 0.0
    accuracies: list[float] = field(default_factory=list)

    def __call__(
        self, problems: Seq[Problem], samples: int, prefixes: Seq[tuple[int, ...]] | None = None
    ) -> list[list[Sequence]]:
        """Rollouts of each problem; with a prefix, the response budget shrinks by its length."""
        started = time.perf_counter()
        prefixes = prefixes or [()] * len(problems)
        prompts = [p.prompt + prefix for p, prefix in zip(problems, prefixes, strict=True)]
        found = sample(
            self.checkpoint.model, prompts, samples=samples, eos_id=self.checkpoint.eos_id,
            max_new_tokens=[max(1, self.max_new_tokens - len(prefix)) for prefix in prefixes],
            temperature=self.temperature, generator=self.generator,
        )
        decode = self.checkpoint.tokenizer.decode
        texts = [
            decode([*prefix, *s.tokens], skip_special_tokens=True)
            for prefix, group in zip(prefixes, found, strict=True) for s in group
        ]
        golds = [p.answer for p in problems for _ in range(samples)]
        verdicts = iter(self.judge((t, g, self.thought_open) for t, g in zip(texts, golds, strict=True)))
        groups = [
            [self._sequence(prompt, s.tokens, next(verdicts), s.finish_reason == "length") for s in group]
            for prompt, group in zip(prompts, found, strict=True)
        ]
        self.tokens += sum(len(s.response) for group in groups for s in group)
        self.accuracies += [s.accuracy for group in groups for s in group]
        self.seconds += time.perf_counter() - started
        return groups

    def demonstration(self, problem: Problem) -> Sequence:
        """Scored by the same reward as a rollout (section 0.5)."""
        sequence = self._sequence(
            problem.prompt, problem.demonstration, problem.demonstration_accuracy,
            problem.demonstration[-1] != self.checkpoint.eos_id,
        )
        return replace(sequence, offline=True)

    def _sequence(
        self, prompt: tuple[int, ...], response: Seq[int], accuracy: float, truncated: bool
    ) -> Sequence:
        reward = accuracy
        if self.reward.overlong_share:
            buffer = max(1, round(self.reward.overlong_share * self.max_new_tokens))
            reward += overlong_penalty(len(response), self.max_new_tokens, buffer)
        return Sequence(prompt, tuple(response), accuracy, reward, truncated=truncated)
