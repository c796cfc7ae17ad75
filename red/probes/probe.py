"""Teacher-forced measurements on fixed training prompts, in long form, one row per number."""

import random
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from red.data.problems import Limits, load_problems
from red.errors import ConfigError
from red.grading.reward import RewardJudge
from red.methods.base import Problem, Reward, Sequence
from red.models.checkpoint import Checkpoint
from red.models.passes import Pass, forward
from red.objective.aggregate import sequence_mean
from red.probes.row import Row
from red.sampling.local import LocalGenerate
from red.seeds import derive
from red.training.rollouts import GradedSampler

TOKENS_PER_FORWARD = 16384


@dataclass(frozen=True)
class Probe:
    """What to measure. `prompts` and `samples` (rollouts per prompt) are counts; `step` is the trained model's step."""

    probe: Literal["entropy", "confidence", "tokens"]
    prompts: int
    samples: int
    template: str
    max_prompt_tokens: int
    max_new_tokens: int
    step: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.probe == "tokens" and self.samples != 1:
            raise ConfigError(
                f"probes.tokens.samples: {self.samples} rollouts per prompt; it shows 1, the token page's"
            )


def measure(
    probe: Probe,
    trained: Checkpoint,
    others: Mapping[str, Checkpoint],
    prompts: Path,
    demonstrations: Path,
    judge: RewardJudge,
) -> Iterator[Row]:
    """Rows of one probe. The prompts depend on the probe's seed only: all runs see the same ones."""
    loaded = load_problems(
        prompts,
        demonstrations,
        trained.codec,
        probe.template,
        Limits(probe.max_prompt_tokens, probe.max_new_tokens),
        judge,
        need_demonstrations=True,
    )
    problems = random.Random(derive(probe.seed, "probe")).sample(
        loaded.problems, min(probe.prompts, len(loaded.problems))
    )
    bench = _Bench(probe, judge, loaded.thought_open, problems)
    match probe.probe:
        case "entropy":
            yield from bench.entropies(others["parent"], 0)
            yield from bench.entropies(trained, probe.step)
        case "confidence":
            yield from bench.confidence({"small": trained, **others})
        case "tokens":
            yield from bench.tokens({"trained": trained, **others})


@dataclass(frozen=True)
class _Bench:
    probe: Probe
    judge: RewardJudge
    thought_open: bool
    problems: Seq[Problem]

    def sampler(self, checkpoint: Checkpoint) -> GradedSampler:
        """Rollouts at temperature 1 with the probe's own random stream."""
        return GradedSampler(
            LocalGenerate(checkpoint, 1.0),
            checkpoint.codec,
            self.judge,
            Reward(),
            self.probe.max_new_tokens,
            self.thought_open,
            derive(self.probe.seed, "probe", "rollout"),
        )

    def entropies(self, checkpoint: Checkpoint, step: int) -> Iterator[Row]:
        """Entropy on fresh rollouts and on demonstrations, nats, per prompt (Table 1)."""
        sampler = self.sampler(checkpoint)
        rollouts = sampler(self.problems, self.probe.samples)
        demonstrations = [[sampler.demonstration(p)] for p in self.problems]
        for quantity, groups in (("entropy_rollout", rollouts), ("entropy_demonstration", demonstrations)):
            flat = [s for group in groups for s in group]
            forward_pass = _pass(checkpoint, flat)
            values = iter(sequence_mean(forward_pass.entropy, forward_pass.mask).tolist())
            for problem, group in zip(self.problems, groups, strict=True):
                mean = sum(next(values) for _ in group) / len(group)
                yield self._row(step, problem, None, None, quantity, mean)

    def confidence(self, models: Mapping[str, Checkpoint]) -> Iterator[Row]:
        """Group accuracy of the small model, and each model's probability of every demonstration
        token (Figures 5 and 6)."""
        sampler = self.sampler(models["small"])
        for problem, group in zip(self.problems, sampler(self.problems, self.probe.samples), strict=True):
            accuracy = sum(s.accuracy for s in group) / len(group)
            yield self._row(0, problem, None, None, "group_accuracy", accuracy)
        yield from self._probabilities(models, [sampler.demonstration(p) for p in self.problems])

    def tokens(self, models: Mapping[str, Checkpoint]) -> Iterator[Row]:
        """Each model's probability of every token of the trained model's own responses (Figure 7)."""
        groups = self.sampler(models["trained"])(self.problems, self.probe.samples)
        yield from self._probabilities(models, [group[0] for group in groups])

    def _probabilities(self, models: Mapping[str, Checkpoint], sequences: Seq[Sequence]) -> Iterator[Row]:
        tokenizer = next(iter(models.values())).tokenizer
        for name, checkpoint in models.items():
            logp = _pass(checkpoint, sequences).logp
            for problem, sequence, values in zip(self.problems, sequences, logp.exp().tolist(), strict=True):
                for position, token in enumerate(sequence.response):
                    text = tokenizer.decode([token], skip_special_tokens=False)
                    yield self._row(self.probe.step, problem, position, text, f"p_{name}", values[position])

    def _row(
        self, step: int, problem: Problem, position: int | None, token: str | None, quantity: str, value: float
    ) -> Row:
        return Row(self.probe.probe, step, problem.id, position, token, quantity, value)


@torch.no_grad()
def _pass(checkpoint: Checkpoint, sequences: Seq[Sequence]) -> Pass:
    return forward(checkpoint.model, [(s.prompt, s.response) for s in sequences], 1.0, TOKENS_PER_FORWARD)
