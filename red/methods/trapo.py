"""TRAPO: a prompt whose rollouts fail gets a prefix, then a longer one, then the demonstration (arXiv 2512.17636).

L = -const(r A) over sampled tokens, union over all 8, no clip; -const(pi / sg(max(pi, 0.1))) over the demonstration's
tokens, whose advantage is 1. Its released code learns the last prefix of a micro-group alone.
"""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, replace
from typing import Literal

from red.errors import ConfigError
from red.methods.base import Group, Method, Mix, Problem, ProblemStream, Sampler, Sequence, cut
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm
from red.ranges import Count, Number, Share


@dataclass(frozen=True)
class MicroGroups(Mix):
    """Micro-groups of `sizes` members, one after another.

    One begins with its share (`ratios`) of the demonstration where the mean reward of all earlier members of the prompt
    is below its limit; a share of 1 is the demonstration itself, and nothing is sampled. `learned` prefixes of a
    micro-group: of all its members, or of the last.
    """

    sizes: tuple[Count, ...] = (4, 2, 1, 1)
    ratios: tuple[Share, ...] = (0.0, 0.2, 0.5, 1.0)
    limits: tuple[Number, ...] = (-1.0, 0.5, 0.7, 0.9)
    learned: Literal["all", "last"] = "all"

    def __post_init__(self) -> None:
        if not len(self.sizes) == len(self.ratios) == len(self.limits):
            raise ConfigError("sizes: must be as many as ratios and limits")

    def check(self, group_size: int) -> None:
        """The micro-groups make up the group."""
        if sum(self.sizes) != group_size:
            raise ConfigError(f"mix.sizes: {sum(self.sizes)} members, but group_size is {group_size}")

    def told(self, group_size: int) -> str:
        """The micro-groups, and what helps them."""
        shares = ", ".join(f"{ratio:g}" for ratio in self.ratios[1:])
        return f"{' + '.join(map(str, self.sizes))}; where they fail, shares {shares} of the demonstration"

    def demonstrations_per_prompt(self) -> float:
        """Where every micro-group is helped."""
        return sum(size * ratio for size, ratio in zip(self.sizes, self.ratios, strict=True))

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        problems = stream.take(prompts)
        members: list[list[Sequence]] = [[] for _ in problems]
        for number, size in enumerate(self.sizes):
            ratios = [
                self.given(number, [m.reward for m in its]) if p.demonstration else 0.0
                for p, its in zip(problems, members, strict=True)
            ]
            sampled = [i for i, ratio in enumerate(ratios) if ratio < 1]
            some = [problems[i] for i in sampled]
            prefixes = [self.prefix(p, ratios[i]) for i, p in zip(sampled, some, strict=True)]
            found = dict(zip(sampled, sampler.continued(some, size, prefixes) if some else [], strict=True))
            for i, problem in enumerate(problems):
                members[i] += self._learned(found[i]) if i in found else [sampler.demonstration(problem)] * size
        return [Group(problem, tuple(its)) for problem, its in zip(problems, members, strict=True)]

    def given(self, number: int, rewards: Seq[float]) -> float:
        """The share that micro-group `number` begins with, after members of these rewards."""
        failing = bool(rewards) and sum(rewards) / len(rewards) < self.limits[number]
        return self.ratios[number] if failing else 0.0

    def prefix(self, problem: Problem, ratio: float) -> tuple[int, ...]:
        """That share of the demonstration."""
        return problem.demonstration[: cut(ratio, len(problem.demonstration))] if ratio else ()

    def _learned(self, hybrids: list[Sequence]) -> list[Sequence]:
        if self.learned == "all":
            return hybrids
        return [*(replace(one, prefix_in_loss=False) for one in hybrids[:-1]), hybrids[-1]]


METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        demonstration=DemonstrationTerm(kind="trust", alpha=0.1, advantage="one"),
        aggregation=Aggregation(kind="const"),
    ),
    mix=MicroGroups(rollouts="all"),
)
