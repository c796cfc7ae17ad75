"""RED's weight w on demonstrations, by step: the ratio of entropy changes, and its controls."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from red.objective.spec import Weight


@dataclass(frozen=True)
class StepEntropy:
    """Mean entropies (nats) of one step before its update, with standard errors over sequences."""

    rollout: float | None
    demonstration: float | None
    rollout_se: float = 0.0
    demonstration_se: float = 0.0


@dataclass(frozen=True)
class WeightStep:
    """What the schedule did in one step; None where it is not defined (first step, empty sets)."""

    w: float
    raw: float | None = None
    change_rollout: float | None = None
    change_demonstration: float | None = None


@dataclass
class WeightSchedule:
    """w = clip(change on demonstrations / max(change on rollouts, floor), low, high), w of step 0 = 1 (Eq. 13, 14).

    The change is |1 - H / mean(H of the last `window` steps)|. `history` is the state: (rollout, demonstration)
    entropies of the previous steps.

    `source` holds each w that another run logged, for the two controls; `seed` drives resampling.
    Entropies that are not finite count as not measured: w and the references stay.
    """

    spec: Weight
    seed: int = 0
    source: Sequence[float] = ()
    history: list[tuple[float, float]] = field(default_factory=list)
    last: float = 1.0

    @property
    def is_settled(self) -> bool:
        """Whether the next w is known before its step's entropies are."""
        return self.spec.kind == "constant" and self.last == self.spec.value

    def step(self, number: int, entropy: StepEntropy) -> WeightStep:
        """w of step `number`. Without rollouts or demonstrations, w and the references stay."""
        measured = self._ratio(entropy)
        if measured is None:
            return WeightStep(self.last)
        match self.spec.kind:
            case "constant":
                w = self.spec.value
            case "entropy_ratio":
                w = measured.w
            case "mean_of":
                w = math.fsum(self.source) / len(self.source)
            case "resampled_from":
                w = random.Random(f"{self.seed}/{number}").choice(list(self.source))
        self.last = w
        return WeightStep(w, measured.raw, measured.change_rollout, measured.change_demonstration)

    def _ratio(self, entropy: StepEntropy) -> WeightStep | None:
        if not (_is_measured(entropy.rollout) and _is_measured(entropy.demonstration)):
            return None
        recent = self.history
        self.history = [*recent, (entropy.rollout, entropy.demonstration)][-self.spec.window :]
        if not recent:
            return WeightStep(1.0)
        change_rollout = relative_change(entropy.rollout, [rl for rl, _ in recent])
        change_demonstration = relative_change(entropy.demonstration, [sft for _, sft in recent])
        raw = change_demonstration / max(change_rollout, self.spec.floor)
        high = math.inf if self.spec.high is None else self.spec.high
        w = min(max(raw, self.spec.low), high)
        # An entropy that was exactly zero has no relative change: the quotient is then no number.
        return WeightStep(
            w if math.isfinite(w) and raw == raw else self.last, raw, change_rollout, change_demonstration
        )

    def state(self) -> dict[str, Any]:
        """Serialisable memory; `load` restores it exactly."""
        return {"history": [list(pair) for pair in self.history], "last": self.last}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.history = [(rl, sft) for rl, sft in state["history"]]
        self.last = state["last"]


def _is_measured(entropy: float | None) -> TypeGuard[float]:
    return entropy is not None and math.isfinite(entropy)


def relative_change(value: float, reference: Sequence[float]) -> float:
    """|1 - value / mean(reference)|; a zero reference counts as no change when value is 0 too."""
    mean = math.fsum(reference) / len(reference)
    if mean == 0:
        return 0.0 if value == 0 else math.inf
    return abs(1 - value / mean)
