"""Graded rollouts: what a method's `mix` calls. The engine generates, this grades and counts."""

import time
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

from red.data.problems import Judge
from red.methods.base import Problem, Reward, Sequence
from red.sampling.base import Generate
from red.seeds import derive
from red.text.codec import Codec
from red.text.tokens import decoded


@dataclass
class GradedSampler:
    """Satisfies `red.methods.base.Sampler`. One instance per step and purpose; `seed` is theirs."""

    generate: Generate
    codec: Codec
    judge: Judge
    reward: Reward
    max_new_tokens: int
    thought_open: bool
    seed: int
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    accuracies: list[float] = field(default_factory=list)
    bare: dict[str, list[float]] = field(default_factory=dict)

    def __call__(
        self, problems: Seq[Problem], samples: int, prefixes: Seq[tuple[int, ...]] | None = None
    ) -> list[list[Sequence]]:
        """Rollouts of each problem; with a prefix, the response budget shrinks by its length."""
        started = time.perf_counter()
        prefixes = prefixes or [()] * len(problems)
        prompts = [p.prompt + prefix for p, prefix in zip(problems, prefixes, strict=True)]
        budgets = [max(1, self.max_new_tokens - len(prefix)) for prefix in prefixes]
        seed = derive(self.seed, self.calls) if self.calls else self.seed
        self.calls += 1
        responses = self.generate(prompts, samples, budgets, seed)
        texts = [
            decoded(self.codec.tokenizer, [*prefix, *s.tokens], skip_special_tokens=True)
            for prefix, group in zip(prefixes, responses, strict=True)
            for s in group
        ]
        golds = [p.answer for p in problems for _ in range(samples)]
        verdicts = iter(self.judge((t, g, self.thought_open) for t, g in zip(texts, golds, strict=True)))
        groups = [
            [self._sequence(prompt, s.tokens, next(verdicts), s.finish_reason == "length") for s in group]
            for prompt, group in zip(prompts, responses, strict=True)
        ]
        self.tokens += sum(len(s.response) for group in groups for s in group)
        self.accuracies += [s.accuracy for group in groups for s in group]
        for problem, prefix, group in zip(problems, prefixes, groups, strict=True):
            if not prefix:
                self.bare.setdefault(problem.id, []).extend(s.accuracy for s in group)
        self.seconds += time.perf_counter() - started
        return groups

    def metrics(self) -> dict[str, float]:
        """Number and accuracy of all rollouts that were sampled, also of those that the method then left out.

        Where some began with a prefix, also the accuracy of those without, a mean over prompts.
        """
        count, means = len(self.accuracies), [sum(each) / len(each) for each in self.bare.values()]
        metrics: dict[str, float] = {"train/rollouts": count}
        if count:
            metrics["accuracy/sampled"] = sum(self.accuracies) / count
        if means and count > sum(map(len, self.bare.values())):
            metrics["accuracy/bare"] = sum(means) / len(means)
        return metrics

    def continued(self, problems: Seq[Problem], samples: int, prefixes: Seq[tuple[int, ...]]) -> list[list[Sequence]]:
        """Members whose responses begin with the prefix, graded and rewarded whole."""
        return [
            [
                replace(
                    self._sequence(problem.prompt, (*prefix, *s.response), s.accuracy, s.truncated), prefix=len(prefix)
                )
                for s in group
            ]
            for problem, prefix, group in zip(problems, prefixes, self(problems, samples, prefixes), strict=True)
        ]

    def demonstration(self, problem: Problem) -> Sequence:
        """Scored by the same reward as a rollout; one without an end token was cut at the response limit."""
        cut = problem.demonstration[-1] not in self.codec.stop_ids
        accuracy = problem.demonstration_accuracy
        return replace(self._sequence(problem.prompt, problem.demonstration, accuracy, cut), is_demonstration=True)

    def _sequence(self, prompt: tuple[int, ...], response: Seq[int], accuracy: float, truncated: bool) -> Sequence:
        reward = self.reward.total(accuracy, len(response), self.max_new_tokens)
        return Sequence(prompt, tuple(response), accuracy, reward, truncated=truncated)
