"""BREAD: GRPO; a prompt that every rollout fails restarts from a prefix of its demonstration (arXiv 2506.17211).

Episode Anchor Search: binary search for the shortest prefix, in episodes, whose
success rate lies in a target range. The prefix is context: no loss, not in the length.
"""

import math
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field

from red.errors import ConfigError
from red.methods.base import Group, Method, Mix, Problem, ProblemStream, Sampler
from red.ranges import Count, Share


@dataclass
class AnchorSearch:
    """Binary search over k in 1..episodes-1; `rates` holds the probes made so far."""

    episodes: int
    low: float
    high: float
    rates: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lo, self._hi = 1, self.episodes - 1

    def probe(self) -> int | None:
        """The next number of episodes to reveal, or None when the search has ended."""
        return (self._lo + self._hi) // 2 if self._lo <= self._hi else None

    def report(self, rate: float) -> None:
        """Success rate of the pending probe; a rate above the range also searches below."""
        k = (self._lo + self._hi) // 2
        self.rates[k] = rate
        if rate >= self.low:
            self._hi = k - 1
        else:
            self._lo = k + 1

    def anchor(self) -> int | None:
        """In-range probes first (smallest k), else the closest to the range; None if none mixed."""
        mixed = [k for k, rate in self.rates.items() if 0 < rate < 1]
        distance = {k: max(self.low - self.rates[k], self.rates[k] - self.high, 0) for k in mixed}
        return min(mixed, key=lambda k: (distance[k], k), default=None)


@dataclass(frozen=True)
class EpisodeAnchorSearch(Mix):
    """Ordinary groups, and for all-failed prompts the group of the best anchor; without one, none.

    Episodes are equal shares of the thought's sentences; the answer is never revealed, because at
    most `episodes - 1` of them are. Probes are full groups and count as generated tokens.
    """

    episodes: Count = 10
    low: Share = 0.25
    high: Share = 0.75

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(f"low: {self.low:g} is above high, {self.high:g}")

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        groups = self.groups(stream.take(prompts), sampler, group_size)
        failed = [i for i, g in enumerate(groups) if g.problem.demonstration and _all_failed(g)]
        anchored = self._search([groups[i].problem for i in failed], sampler, group_size)
        replacements = dict(zip(failed, anchored, strict=True))
        chosen = [replacements.get(index, group) for index, group in enumerate(groups)]
        return [group for group in chosen if group is not None]

    def told(self, group_size: int) -> str:
        """And where they come from."""
        return f"{super().told(group_size)}, behind a prefix if all fail"

    def sampled_per_kept(self, failed: float, uninformative: float) -> float:
        """Each failed prompt costs a group per probe."""
        return 1 + failed * math.log2(self.episodes)

    def _search(self, problems: Seq[Problem], sampler: Sampler, group_size: int) -> list[Group | None]:
        searches = [AnchorSearch(self.episodes, self.low, self.high) for _ in problems]
        probed: list[dict[int, Group]] = [{} for _ in problems]
        while pending := [i for i, search in enumerate(searches) if search.probe() is not None]:
            probes = {i: searches[i].probe() or 0 for i in pending}
            prefixes = [self.prefix(problems[i], probes[i]) for i in pending]
            for i, rollouts in zip(pending, sampler([problems[i] for i in pending], group_size, prefixes), strict=True):
                probed[i][probes[i]] = Group(problems[i], tuple(rollouts))
                searches[i].report(sum(r.accuracy for r in rollouts) / len(rollouts))
        return [
            groups[k] if (k := search.anchor()) is not None else None
            for search, groups in zip(searches, probed, strict=True)
        ]

    def prefix(self, problem: Problem, k: int) -> tuple[int, ...]:
        """The first k of `episodes` shares of the demonstration, cut at a sentence end."""
        sentences = len(problem.sentence_ends) * k // self.episodes
        end = problem.sentence_ends[sentences - 1] if sentences else 0
        return problem.demonstration[:end]


def _all_failed(group: Group) -> bool:
    return not any(group.accuracies)


METHOD = Method(mix=EpisodeAnchorSearch())
