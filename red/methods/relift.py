"""ReLIFT: Dr.GRPO without clip; fine-tuning steps on prompts that every rollout failed (arXiv 2506.07527)."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field

from red.methods.base import Group, Method, SecondStep
from red.objective.spec import NLL, Advantage, Aggregation, ObjectiveSpec, RolloutTerm
from red.ranges import Count, Number


@dataclass
class HardBuffer:
    """Ids of hard prompts, newest first; entries are not de-duplicated. `size` are learned at once."""

    size: int
    ids: list[str] = field(default_factory=list)

    def due(self, groups: Seq[Group]) -> list[str]:
        """Put this step's all-failed prompts that have a demonstration in front; the first `size` ids once there are
        as many."""
        hard = [g.problem for g in groups if g.accuracies and not any(g.accuracies)]
        self.ids = [problem.id for problem in hard if problem.demonstration] + self.ids
        if len(self.ids) < self.size:
            return []
        batch, self.ids = self.ids[: self.size], self.ids[self.size :]
        return batch

    def __len__(self) -> int:
        return len(self.ids)

    def state(self) -> list[str]:
        """The ids."""
        return list(self.ids)

    def load(self, state: Seq[str]) -> None:
        """Restore what `state` returned."""
        self.ids = list(state)


@dataclass(frozen=True)
class FineTune(SecondStep):
    """NLL on the demonstrations of `buffer` hard prompts, L = NLL - entropy_coef H."""

    name = "finetune"
    buffer: Count = 128
    entropy_coef: Number = 0.001

    @property
    def objective(self) -> ObjectiveSpec:
        """The supervised loss with its entropy bonus."""
        return ObjectiveSpec(rollout=None, nll=NLL(1.0), entropy_coef=self.entropy_coef)

    def start(self) -> HardBuffer:
        """An empty buffer."""
        return HardBuffer(self.buffer)

    def demonstrations(self, failed: float) -> float:
        """Each failed prompt is learned once."""
        return failed


METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        rollout=RolloutTerm(clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="const"),
        entropy_coef=0.001,
    ),
    second_step=FineTune(),
)
