"""CHORD-mu: L = (1 - mu) L_GRPO + mu L_SFT, mu by step; expert batch of other prompts (arXiv 2508.11408)."""

from dataclasses import dataclass

from red.methods.base import Group, Method, Mix, ProblemStream, Sampler
from red.objective.spec import Aggregation, Mixture, ObjectiveSpec


@dataclass(frozen=True)
class ExpertBatch(Mix):
    """GRPO groups plus as many demonstrations of other, randomly drawn prompts."""

    def told(self, group_size: int) -> str:
        """And the experts."""
        return f"{super().told(group_size)}, expert batch"

    def demonstrations_per_prompt(self) -> float:
        """The expert batch beside its own."""
        return self.demonstrations + 1

    def __call__(self, stream: ProblemStream, sampler: Sampler, prompts: int, group_size: int) -> list[Group]:
        groups = self.groups(stream.take(prompts), sampler, group_size)
        experts = stream.draw(prompts, "expert")
        return groups + [Group(p, (sampler.demonstration(p),)) for p in experts]


METHOD = Method(
    objective=ObjectiveSpec(aggregation=Aggregation(kind="token_mean"), mixture=Mixture()), mix=ExpertBatch()
)
