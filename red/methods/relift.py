"""ReLIFT: Dr.GRPO without clip; fine-tuning steps on prompts that every rollout failed (section 7)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from red.methods.base import FineTune, Group, Method
from red.objective.spec import Advantage, Aggregation, ObjectiveSpec, Online


@dataclass
class HardBuffer:
    """Ids of hard prompts, newest first; entries are not de-duplicated. `ids` is the state."""

    size: int
    ids: list[str] = field(default_factory=list)

    def add(self, groups: Iterable[Group]) -> None:
        """Put this step's all-failed prompts in front of the old ones."""
        hard = [g.problem.id for g in groups if g.accuracies and not any(g.accuracies)]
        self.ids = hard + self.ids

    def pop(self) -> list[str] | None:
        """The first `size` ids for one fine-tuning step, or None while the buffer is short."""
        if len(self.ids) < self.size:
            return None
        batch, self.ids = self.ids[: self.size], self.ids[self.size :]
        return batch


METHOD = Method(
    objective=ObjectiveSpec(
        advantage=Advantage(std=False),
        online=Online(clip_low=None, clip_high=None),
        aggregation=Aggregation(kind="const"),
        entropy_coef=0.001,
    ),
    finetune=FineTune(),
)
