"""UFT: GRPO behind the beginning of the demonstration, L = L_GRPO + 0.001 NLL(prefix) (arXiv 2505.16984).

All rollouts of a prompt begin behind the same prefix, which is context for them and a member of its own for the NLL.
Its length is drawn anew at every step and falls to none. Paper and code also hold the policy near the base with a KL
term of 0.001; here, as everywhere, there is none.
"""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, replace
from random import Random

from red.methods.base import Group, Method, Mix, Problem, ProblemStream, Sampler, Sequence, faded
from red.objective.spec import NLL, Aggregation, ObjectiveSpec
from red.ranges import Count, Rows, Share


@dataclass(frozen=True)
class FadingPrefix(Mix):
    """A prefix of the demonstration's thought before each group, for `prefix_steps` steps T; never the answer.

    It shows as many of `chunks` equal parts of the sentences as there are draws below
    p(t) = last + (first - last) (1 + cos(pi t / T)) / 2, t counted from 1.
    """

    chunks: Rows = 5
    first: Share = 0.95
    last: Share = 0.05
    prefix_steps: Count = 300

    def told(self, group_size: int) -> str:
        """The prefix is context, and a member."""
        return f"{group_size} behind a prefix + prefix"

    def schedule(self) -> str:
        """Of the prefix."""
        return f"a chunk's chance {self.first:g} to {self.last:g} in {self.prefix_steps} steps, then 0"

    def demonstrations_per_prompt(self) -> float:
        """The mean share that is shown while there are prefixes."""
        return (self.first + self.last) / 2

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        problems = stream.take(prompts)
        prefixes = [self.prefix(p, stream.step, stream.random(f"prefix of {p.id}")) for p in problems]
        return [
            Group(problem, (*rollouts, *_taught(problem, prefix, sampler)))
            for problem, prefix, rollouts in zip(
                problems, prefixes, sampler(problems, group_size, prefixes), strict=True
            )
        ]

    def prefix(self, problem: Problem, step: int, random: Random) -> tuple[int, ...]:
        """What is shown at a step (from 0), by as many draws as there are chunks."""
        draws = [random.random() for _ in range(self.chunks)]
        sentences = self.shown(draws, step, len(problem.sentence_ends))
        return problem.demonstration[: problem.sentence_ends[sentences - 1]] if sentences else ()

    def shown(self, draws: Seq[float], step: int, sentences: int) -> int:
        """Of so many sentences, halves rounded to even."""
        chance = self.chance(step)
        return round(sum(draw < chance for draw in draws) / self.chunks * sentences)

    def chance(self, step: int) -> float:
        """Of each chunk to be shown."""
        if step >= self.prefix_steps:
            return 0.0
        return faded(self.first, self.last, (step + 1) / self.prefix_steps)


def _taught(problem: Problem, prefix: tuple[int, ...], sampler: Sampler) -> list[Sequence]:
    """The prefix as a member, without an end token."""
    return [replace(sampler.demonstration(problem), response=prefix)] if prefix else []


METHOD = Method(
    objective=ObjectiveSpec(nll=NLL(coefficient=0.001), aggregation=Aggregation(kind="token_mean")),
    mix=FadingPrefix(rollouts="all"),
)
