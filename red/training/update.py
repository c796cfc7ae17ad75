"""One update, which is one optimizer step: what goes into it and what it did."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from red.methods.base import Group, Sequence, Teacher
from red.models.passes import Pair, Pass
from red.objective.batch import Batch, Members, Plan
from red.objective.loss import plan, roles
from red.objective.spec import ObjectiveSpec


@dataclass(frozen=True)
class Update:
    """Everything that an engine needs for one update.

    `sequences` are those that a term of the loss reads, `plan` counts over all members of the update.
    `before` is the pass of the policy that sampled; with `on_policy` that policy is the one that moves: every ratio
    is 1, and `before` may be None, because the pass of the update itself has the same values. `teacher_logp` (S, T) is
    the teacher's opinion of the same tokens. `moments` names the
    optimizer, `clip` bounds the gradient's norm, one above `skip` leaves the update out, `cosine` asks for the angle
    between the gradients of rollouts and demonstrations.
    """

    step: int
    sequences: Seq[Sequence]
    spec: ObjectiveSpec
    plan: Plan
    before: Pass | None
    on_policy: bool
    lr: float
    clip: float
    moments: str
    seed: int
    skip: float | None = None
    cosine: bool = False
    teacher_logp: Tensor | None = None

    @property
    def largest_norm(self) -> float:
        """Of a gradient that is applied."""
        return math.inf if self.skip is None else self.skip


@dataclass(frozen=True)
class UpdateResult:
    """What an update did. `batch` is of the policy before it moved, its entropies of the policy that sampled. `norm`
    (before clipping) is NaN where the engine left the update out as not finite.
    """

    batch: Batch
    terms: Mapping[str, float]
    norm: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Enrolment:
    """All members of an update, and those that a term of the loss reads: the rest cost no forward pass."""

    members: Members
    used_s: Tensor
    sequences: list[Sequence]

    @classmethod
    def of(cls, groups: Seq[Group], spec: ObjectiveSpec) -> "Enrolment":
        """Filters and gates look at whole groups."""
        members = members_of(groups)
        rollout_s, demonstration_s = roles(members, spec)
        used_s = rollout_s | demonstration_s
        sequences = [s for g in groups for s in g.members]
        return cls(members, used_s, [s for s, used in zip(sequences, used_s.tolist(), strict=True) if used])

    @property
    def group_s(self) -> Tensor:
        """(S,) of the used sequences."""
        return self.members.group_s[self.used_s]

    @property
    def is_rollout(self) -> Tensor:
        """(S,) of the used sequences: sampled from the prompt on."""
        return self.members.pure_rollout_s[self.used_s]

    @property
    def is_demonstration(self) -> Tensor:
        """(S,) of the used sequences."""
        return self.members.demonstration_s[self.used_s]

    def plan(self, spec: ObjectiveSpec, weight: float, mu: float | None, random_s: Tensor | None = None) -> Plan:
        """Counted over all members, with rows for the used sequences. `random_s` marks the members that
        carry w where the schedule's target is random."""
        return plan(self.members, spec, weight, mu, random_s).rows(self.used_s)


def pairs(sequences: Seq[Sequence]) -> list[Pair]:
    """Prompts and responses, as a pass takes them."""
    return [(s.prompt, s.response) for s in sequences]


def members_of(groups: Seq[Group]) -> Members:
    """What is known of each member before any forward pass, in group order."""
    sequences = [s for g in groups for s in g.members]
    return Members(
        group_s=torch.tensor([i for i, g in enumerate(groups) for _ in g.members]),
        demonstration_s=torch.tensor([s.is_demonstration for s in sequences]),
        reward_s=torch.tensor([s.reward for s in sequences]),
        accuracy_s=torch.tensor([s.accuracy for s in sequences]),
        tokens_s=torch.tensor([float(len(s.response)) for s in sequences]),
        kept_s=torch.tensor([s.in_loss for s in sequences]),
        prefix_s=torch.tensor([s.prefix for s in sequences]),
        prefix_kept_s=torch.tensor([s.prefix_in_loss for s in sequences]),
    )


def taught(
    teacher: Teacher, groups: Seq[Group], used: Seq[bool], window: int | None, measure: Callable[[Seq[Sequence]], Pass]
) -> Tensor:
    """(S, T) of the used members' responses under the teacher; NaN where it has nothing to say or cannot read so much.

    `used` is by member, in group order; `window` is in tokens.
    """
    pairs = [(group.problem, member) for group in groups for member in group.members]
    members = [pair for pair, is_used in zip(pairs, used, strict=True) if is_used]
    asked = []
    for row, (problem, member) in enumerate(members):
        prompt = teacher.prompt(problem, member.prompt)
        if prompt is not None and (window is None or len(prompt) + len(member.response) <= window):
            asked.append((row, replace(member, prompt=prompt)))
    found = torch.full((len(members), max(len(member.response) for _, member in members)), torch.nan)
    if asked:
        logp = measure([member for _, member in asked]).measured().logp
        found[[row for row, _ in asked], : logp.shape[1]] = logp
    return found
