"""Prefix-RFT: one of 8 rollouts begins with a prefix of the demonstration, learned as if sampled (arXiv 2507.01679).

L = -const(min(r A, clip(r, 0.8, 1.2) A)) over rollouts and the hybrid, union; of the prefix only the fifth of its
tokens that have the highest entropy. The released code has other estimators too: docs/methods.md section 17.11.
"""

from dataclasses import dataclass

from red.errors import ConfigError
from red.methods.base import Group, Method, Mix, Problem, ProblemStream, Sampler, cut, faded
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec
from red.ranges import Count, Share


@dataclass(frozen=True)
class OneHybrid(Mix):
    """Rollouts, and one that goes on from a prefix of the demonstration, a random share of it between a least and
    `longest`.

    The least one falls from `longest` to `shortest` in `decay` steps D: shortest + (longest - shortest)
    (1 + cos(pi s / D)) / 2. Without `reveal_answer` a prefix ends with the thought at the latest.
    """

    longest: Share = 0.95
    shortest: Share = 0.05
    decay: Count = 500
    reveal_answer: bool = True

    def check(self, group_size: int) -> None:
        """A hybrid alone has nobody to be compared with."""
        if group_size < 2:
            raise ConfigError(f"group_size: {group_size} leaves no rollout beside the hybrid")

    def told(self, group_size: int) -> str:
        """All but one begin with the prompt."""
        return f"{group_size - 1} + hybrid"

    def schedule(self) -> str:
        """Of the prefix."""
        return f"least share {self.longest:g} to {self.shortest:g} in {self.decay} steps"

    def demonstrations_per_prompt(self) -> float:
        """The mean share over the steps of the decay."""
        return (self.longest + (self.longest + self.shortest) / 2) / 2

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        problems = stream.take(prompts)
        rollouts = sampler(problems, group_size - 1)
        prefixes = [self.prefix(p, stream.step, stream.random(f"prefix of {p.id}").random()) for p in problems]
        hybrids = sampler.continued(problems, 1, prefixes)
        return [Group(p, (*r, *h)) for p, r, h in zip(problems, rollouts, hybrids, strict=True)]

    def prefix(self, problem: Problem, step: int, draw: float) -> tuple[int, ...]:
        """Of the step (from 0), by a draw from [0, 1)."""
        end = cut(self.share(step, draw), len(problem.demonstration))
        thought = max(problem.sentence_ends, default=0)
        return problem.demonstration[: end if self.reveal_answer else min(end, thought)]

    def share(self, step: int, draw: float) -> float:
        """Of the demonstration."""
        least = self.least(step)
        return least + (self.longest - least) * draw

    def least(self, step: int) -> float:
        """The smallest share of the step."""
        return faded(self.longest, self.shortest, min(step / self.decay, 1.0))


METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", std=False),
        demonstration=DemonstrationTerm(kind="ratio_old", clip_low=0.2, clip_high=0.2, top_entropy=0.2),
        aggregation=Aggregation(kind="const"),
    ),
    mix=OneHybrid(rollouts="all"),
)
