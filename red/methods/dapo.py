"""DAPO: L = -token_mean(min(r A, clip(r, 0.8, 1.28) A)), dynamic sampling, soft over-length penalty.

Decoupled clip and dynamic sampling (arXiv 2503.14476).
"""

from collections.abc import Sequence as Seq
from dataclasses import dataclass

from red.methods.base import Group, Method, Mix, ProblemStream, Reward, Sampler
from red.objective.spec import Aggregation, ObjectiveSpec, RolloutTerm
from red.ranges import Count


@dataclass(frozen=True)
class DynamicSampling(Mix):
    """Drop groups whose verdicts are all equal; keep sampling until the step is full.

    After `rounds` rounds of rollouts, train on what there is. The surplus is left out from the
    end of the last round: the prompt order is random already. The filter looks at accuracy, never
    at the total reward.
    """

    rounds: Count = 6

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        kept: list[Group] = []
        for _ in range(self.rounds):
            groups = self.groups(stream.take(prompts), sampler, group_size)
            kept += [group for group in groups if is_informative(self._verdicts(group))]
            if len(kept) >= prompts:
                break
        return kept[:prompts]

    def told(self, group_size: int) -> str:
        """As ever, until the step is full."""
        return f"{super().told(group_size)}, refilled"

    def sampled_per_kept(self, failed: float, uninformative: float) -> float:
        """Dropped groups are sampled again, for at most `rounds` rounds."""
        return min(self.rounds, 1 / (1 - min(uninformative, 0.99)))

    def _verdicts(self, group: Group) -> list[float]:
        return [member.accuracy for member in group.members]


def is_informative(verdicts: Seq[float]) -> bool:
    """Whether a group has both right and wrong answers."""
    return len(set(verdicts)) > 1


METHOD = Method(
    objective=ObjectiveSpec(
        rollout=RolloutTerm(clip_low=0.2, clip_high=0.28),
        aggregation=Aggregation(kind="token_mean"),
        filter="accuracy_variance",
    ),
    mix=DynamicSampling(),
    reward=Reward(overlong_share=2000 / 8192),
)
