"""RED as the authors' code would be with its shift line switched on: w pi / (beta + (1 - beta) pi) A.

Gradient through the denominator, w at most 7, accuracy over all members, over-length term in the reward, constant
divisor 3000, and the code's own sampling (the authors' code).
"""

from dataclasses import dataclass, replace

from red.methods.base import Group, Method, Problem, ProblemStream, Reward, Sampler, Sequence
from red.methods.dapo import DynamicSampling, is_informative
from red.objective.spec import Advantage, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight


@dataclass(frozen=True)
class SequenceSampling(DynamicSampling):
    """The sampling of the authors' code: rounds until there are enough members, then as many as fill the step, drawn
    one by one from all groups.

    A further round after the last one keeps its groups of equal verdicts too. Advantages are those of whole groups.
    Demonstrations have no end token.
    """

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        wanted = prompts * group_size
        kept: list[Group] = []
        for number in range(self.rounds + 1):
            groups = self.groups(stream.take(prompts), sampler, group_size)
            kept += [g for g in groups if number == self.rounds or is_informative(self._verdicts(g))]
            if sum(len(group.members) for group in kept) >= wanted:
                break
        places = [(i, j) for i, group in enumerate(kept) for j in range(len(group.members))]
        chosen = set(stream.random("sequences").sample(places, wanted))
        return [
            replace(group, members=tuple(replace(m, in_loss=(i, j) in chosen) for j, m in enumerate(group.members)))
            for i, group in enumerate(kept)
        ]

    def sampled_per_kept(self, failed: float, uninformative: float) -> float:
        """Dropped groups are sampled again, and the last round is whole."""
        return min(self.rounds + 1, 1 / (1 - min(uninformative, 0.99)))

    def demonstration(self, problem: Problem, sampler: Sampler) -> Sequence:
        """One that was cut has no end token anyway."""
        whole = sampler.demonstration(problem)
        return whole if whole.truncated else replace(whole, response=whole.response[:-1])


METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(over="union", eps=1e-9),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        demonstration=DemonstrationTerm(kind="shift_through", r_group_over="union"),
        weight=Weight(kind="entropy_ratio", high=7.0),
        aggregation=Aggregation(kind="const", share=3000 / 8192),
    ),
    mix=SequenceSampling(demonstrations=1),
    reward=Reward(rule="anywhere", overlong_share=2000 / 8192),
)
