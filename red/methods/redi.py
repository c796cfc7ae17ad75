"""REDI's second stage: L = NLL(right traces) - 0.8 NLL(wrong traces), each a mean over sequences (arXiv 2505.24850).

Pairs of a demonstration and a wrong trace of the same prompt, without rollouts; a run starts it from an SFT checkpoint,
the first stage (`init_from: sft`). The loss is unbounded below, so the guard of SRFT watches the wrong traces.
"""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, replace

from red.methods.base import Group, Method, Mix, Problem, Sampler
from red.objective.spec import NLL, ObjectiveSpec


@dataclass(frozen=True)
class Pairs(Mix):
    """A demonstration and, where the prompt has one, a wrong trace."""

    def told(self, group_size: int) -> str:
        """Two demonstrations, one of them wrong."""
        return "0 + 1 + wrong trace"

    def demonstrations_per_prompt(self) -> float:
        """Both."""
        return 2.0

    def groups(self, problems: Seq[Problem], sampler: Sampler, group_size: int) -> list[Group]:
        """One pair for each problem."""
        found = []
        for problem in problems:
            right = sampler.demonstration(problem)
            wrong = replace(right, response=problem.wrong, accuracy=0.0, reward=0.0)
            found.append(Group(problem, (right, wrong) if problem.wrong else (right,)))
        return found


METHOD = Method(
    objective=ObjectiveSpec(rollout=None, nll=NLL(1.0, aggregation="seq_mean", negative=0.8)),
    mix=Pairs(rollouts="none", demonstrations=1),
)
