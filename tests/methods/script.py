"""A scripted sampler and a stream of problems, for tests of what enters a group."""

from dataclasses import dataclass, field, replace
from random import Random

from red.methods.base import Problem, Sequence


@dataclass
class Script:
    """A sampler whose success rate depends on the length of the revealed prefix."""

    right: dict[int, int]
    calls: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)

    def __call__(self, problems, samples, prefixes=None):
        prefixes = prefixes or [()] * len(problems)
        self.calls += [(len(problems), samples, tuple(map(len, prefixes)))]
        return [
            [
                Sequence(p.prompt + prefix, (5, 1), float(i < self.right.get(len(prefix), 0)), 0.0)
                for i in range(samples)
            ]
            for p, prefix in zip(problems, prefixes, strict=True)
        ]

    def continued(self, problems, samples, prefixes):
        groups = zip(problems, prefixes, self(problems, samples, prefixes), strict=True)
        return [
            [replace(s, prompt=p.prompt, response=prefix + s.response, prefix=len(prefix)) for s in group]
            for p, prefix, group in groups
        ]

    def demonstration(self, problem):
        return Sequence(problem.prompt, problem.demonstration, 1.0, 1.0, is_demonstration=True)


@dataclass
class Stream:
    cursor: int = 0
    step: int = 0

    def take(self, count):
        self.cursor += count
        return [problem(i) for i in range(self.cursor - count, self.cursor)]

    def draw(self, count, purpose):
        return [problem(1000 + i) for i in range(count)]

    def random(self, purpose):
        return Random(purpose)


def problem(index):
    demonstration = tuple(range(100, 120)) + (1,)
    return Problem(str(index), (7, index), "4", demonstration, sentence_ends=tuple(range(2, 21, 2)))
