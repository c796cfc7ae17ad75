"""What a method is: a loss, what enters a group, and optionally a second kind of step."""

import math
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, Literal, Protocol

from red.errors import ConfigError
from red.objective.spec import ObjectiveSpec
from red.ranges import Positive, Share


@dataclass(frozen=True)
class Problem:
    """A training prompt with its demonstration, both as token ids.

    `demonstration` ends with EOS and is cut at the response limit. `demonstration_accuracy` is the
    grader's verdict on it; the noisy-label study forces it to 0 or 1.
    `sentence_ends` counts the demonstration's tokens up to each sentence end of its thought. `wrong` is a trace that
    ends in a wrong answer, with EOS like the demonstration.
    """

    id: str
    prompt: tuple[int, ...]
    answer: str
    demonstration: tuple[int, ...] = ()
    demonstration_accuracy: float = 1.0
    sentence_ends: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sequence:
    """One member of a group: a rollout or a demonstration, graded. One that is not `in_loss` counts in its group's
    advantage only.

    The first `prefix` tokens of the response of a hybrid were copied from the demonstration, the others sampled; whose
    prefix is not in the loss learns from the others alone.
    """

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    accuracy: float
    reward: float
    is_demonstration: bool = False
    truncated: bool = False
    in_loss: bool = True
    prefix: int = 0
    prefix_in_loss: bool = True


@dataclass(frozen=True)
class Group:
    """All sequences of one prompt in one optimizer step."""

    problem: Problem
    members: tuple[Sequence, ...]

    @property
    def rollouts(self) -> list[Sequence]:
        """The members that the policy sampled from the prompt on."""
        return [member for member in self.members if not (member.is_demonstration or member.prefix)]

    @property
    def hybrids(self) -> list[Sequence]:
        """The members that the policy sampled from a prefix of the demonstration on."""
        return [member for member in self.members if member.prefix]

    @property
    def accuracies(self) -> list[float]:
        """Verdicts of the rollouts."""
        return [member.accuracy for member in self.rollouts]


class ProblemStream(Protocol):
    """Training prompts in the run's fixed order."""

    @property
    def step(self) -> int:
        """Whose problems these are, from 0."""

    def take(self, count: int) -> list[Problem]:
        """The next problems; the cursor moves."""

    def draw(self, count: int, purpose: str) -> list[Problem]:
        """Random problems for this step, of those that have a demonstration; the cursor stays."""

    def random(self, purpose: str) -> Random:
        """This step's random numbers for one purpose."""


class Sampler(Protocol):
    """Graded rollouts of the current policy at the training temperature."""

    def __call__(
        self, problems: Seq[Problem], samples: int, prefixes: Seq[tuple[int, ...]] | None = None
    ) -> list[list[Sequence]]:
        """`samples` rollouts per problem; a prefix is context and becomes part of the prompt."""

    def continued(self, problems: Seq[Problem], samples: int, prefixes: Seq[tuple[int, ...]]) -> list[list[Sequence]]:
        """`samples` members per problem whose responses begin with its prefix: hybrids; rollouts where it is empty."""

    def demonstration(self, problem: Problem) -> Sequence:
        """The problem's demonstration as a graded member of a group."""


@dataclass(frozen=True)
class Mix:
    """What enters a group: rollouts that fill it up, all of it, or none; plus demonstrations."""

    rollouts: Literal["fill", "all", "none"] = "fill"
    demonstrations: Literal[0, 1] = 0

    def samples(self, group_size: int) -> int:
        """Rollouts per prompt."""
        counts = {"fill": group_size - self.demonstrations, "all": group_size, "none": 0}
        return counts[self.rollouts]

    def check(self, group_size: int) -> None:
        """ConfigError if a group of that size has no room for what the mix puts into it."""
        if self.rollouts != "none" and self.samples(group_size) < 1:
            raise ConfigError(f"group_size: {group_size} leaves no rollout beside the demonstration")

    def told(self, group_size: int) -> str:
        """What enters a group, for the table of methods."""
        return f"{self.samples(group_size)} + {self.demonstrations}"

    def schedule(self) -> str:
        """How that changes by step; empty if it does not."""
        return ""

    def sampled_per_kept(self, failed: float, uninformative: float) -> float:
        """Forecast of rollouts sampled per rollout kept, from the shares of prompts that every rollout
        fails and whose verdicts are all equal."""
        return 1.0

    def demonstrations_per_prompt(self) -> float:
        """Forecast of demonstrations learned per prompt; one that is learned in part counts so much."""
        return self.demonstrations

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        """The groups of one step."""
        return self.groups(stream.take(prompts), sampler, group_size)

    def groups(self, problems: Seq[Problem], sampler: Sampler, group_size: int) -> list[Group]:
        """One group for each problem."""
        samples = self.samples(group_size)
        rollouts = sampler(problems, samples) if samples else [[] for _ in problems]
        all_demonstrations = [[self.demonstration(p, sampler) for _ in range(self.demonstrations)] for p in problems]
        return [
            Group(problem, (*members, *demonstrations))
            for problem, members, demonstrations in zip(problems, rollouts, all_demonstrations, strict=True)
        ]

    def demonstration(self, problem: Problem, sampler: Sampler) -> Sequence:
        """A problem's demonstration as it enters the group."""
        return sampler.demonstration(problem)


def faded(first: float, last: float, progress: float) -> float:
    """From `first` to `last` along half a cosine, while the progress goes from 0 to 1."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


def cut(share: float, tokens: int) -> int:
    """Tokens in that share of a demonstration: one at least, never the last; of a single token none."""
    return min(max(math.floor(share * tokens), 1), tokens - 1) if tokens > 1 else 0


class Memory(Protocol):
    """What a second kind of step remembers between steps."""

    def due(self, groups: Seq[Group]) -> list[str]:
        """After a step with these groups: ids of the problems whose demonstrations are learned now, or none."""

    def __len__(self) -> int:
        """Problems that wait."""

    def state(self) -> list[str]:
        """Serialisable memory; `load` restores it exactly."""

    def load(self, state: Seq[str]) -> None:
        """Restore what `state` returned."""


@dataclass(frozen=True)
class SecondStep:
    """A second kind of update, after the first, on demonstrations alone, with AdamW moments of its own."""

    name: ClassVar[str]
    grad_clip: Positive = 1.0

    @property
    def objective(self) -> ObjectiveSpec:
        """Its loss."""
        raise NotImplementedError

    def start(self) -> Memory:
        """An empty memory."""
        raise NotImplementedError

    def demonstrations(self, failed: float) -> float:
        """Forecast of demonstrations learned per prompt, where `failed` is the share of prompts that every
        rollout fails."""
        raise NotImplementedError


@dataclass(frozen=True)
class Teacher:
    """Whose log-probabilities of the sampled tokens are learned from: those of another `model`, or of the policy
    `itself` behind the prompt's demonstration, with its `initial` weights or its `current` ones.
    """

    who: Literal["model", "itself"] = "model"
    weights: Literal["initial", "current"] = "initial"

    @property
    def is_policy(self) -> bool:
        """Whether it has the weights that are trained."""
        return self.who == "itself" and self.weights == "current"

    def prompt(self, problem: Problem, prompt: tuple[int, ...]) -> tuple[int, ...] | None:
        """What it reads before a response to `prompt`; None where it has nothing to say.

        Itself, the demonstration as an earlier answer: prompt, demonstration, prompt.
        """
        if self.who == "model":
            return prompt
        return (*problem.prompt, *problem.demonstration, *prompt) if problem.demonstration else None


class MixtureController(Protocol):
    """What moves the mixture of CHORD by what a step measures, and remembers."""

    mu: float

    def step(self, prior: float, measured: tuple[float, float, float]) -> None:
        """Move `mu`, given the schedule's own and the noise of rollouts, of demonstrations, and their distance."""

    def state(self) -> dict[str, Any]:
        """Serialisable memory; `load` restores it exactly."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""


@dataclass(frozen=True)
class MixtureControl:
    """Settings of what moves mu in the place of its schedule."""

    def start(self) -> MixtureController:
        """One that has measured nothing."""
        raise NotImplementedError


@dataclass(frozen=True)
class Reward:
    """R = accuracy + soft over-length penalty on the last `overlong_share` of the limit.

    `rule` says which answer of a response the accuracy is of: see `red.grading.reward`.
    """

    overlong_share: Share = 0.0
    rule: Literal["strict", "luffy", "anywhere"] = "strict"

    def total(self, accuracy: float, length: int, limit: int) -> float:
        """Reward of a response of `length` tokens, of at most `limit`."""
        if not self.overlong_share:
            return accuracy
        return accuracy + overlong_penalty(length, limit, max(1, round(self.overlong_share * limit)))


def overlong_penalty(length: int, max_length: int, buffer: int) -> float:
    """0 up to max_length - buffer tokens, then falling linearly to -1 at max_length."""
    return max(-1.0, min(0.0, (max_length - buffer - length) / buffer))


@dataclass(frozen=True)
class Method:
    """One row of the table in docs/methods.md section 13.2."""

    objective: ObjectiveSpec = field(default_factory=ObjectiveSpec)
    mix: Mix = field(default_factory=Mix)
    second_step: SecondStep | None = None
    mixture_control: MixtureControl | None = None
    teacher: Teacher | None = None
    reward: Reward = field(default_factory=Reward)

    @property
    def needs_demonstrations(self) -> bool:
        """Whether a prompt without one is of no use."""
        return self.mix.demonstrations > 0

    @property
    def needs_wrong_traces(self) -> bool:
        """Whether a training set without any is of no use."""
        return self.objective.nll.negative is not None

    @property
    def learns_demonstrations(self) -> bool:
        """Whether a training set without any is of no use."""
        told = self.teacher is not None and self.teacher.who == "itself"
        return self.mix.demonstrations_per_prompt() > 0 or self.second_step is not None or told
