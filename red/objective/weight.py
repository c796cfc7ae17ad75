"""Schedules with memory: RED's entropy-change ratio and its controls, CHORD's mu, SASR's gate."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from red.objective.spec import Mixture, Weight


@dataclass(frozen=True)
class StepEntropy:
    """Mean entropies (nats) of one step before its update, with standard errors over sequences."""

    rl: float | None
    sft: float | None
    rl_se: float = 0.0
    sft_se: float = 0.0


@dataclass(frozen=True)
class WeightStep:
    """What the schedule did in one step; None where it is not defined (first step, empty sets)."""

    w: float
    raw: float | None = None
    change_rl: float | None = None
    change_sft: float | None = None


@dataclass
class WeightSchedule:
    """w by step (section 12.2). `history` is the state: (rl, sft) of the previous steps.

    `source` holds the weights another run logged, for the two controls; `seed` drives resampling.
    Entropies that are not finite count as not measured: w and the references stay.
    """

    spec: Weight
    seed: int = 0
    source: Sequence[float] = ()
    history: list[tuple[float, float]] = field(default_factory=list)
    last: float = 1.0

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
        return WeightStep(w, measured.raw, measured.change_rl, measured.change_sft)

    def _ratio(self, entropy: StepEntropy) -> WeightStep | None:
        if not (_is_measured(entropy.rl) and _is_measured(entropy.sft)):
            return None
        recent = self.history
        self.history = [*recent, (entropy.rl, entropy.sft)][-self.spec.window :]
        if not recent:
            return WeightStep(1.0)
        change_rl = relative_change(entropy.rl, [rl for rl, _ in recent])
        change_sft = relative_change(entropy.sft, [sft for _, sft in recent])
        raw = change_sft / max(change_rl, self.spec.floor)
        high = math.inf if self.spec.high is None else self.spec.high
        w = min(max(raw, self.spec.low), high)
        # An entropy that was exactly zero has no relative change: the quotient is then no number.
        return WeightStep(w if math.isfinite(w) and raw == raw else self.last, raw, change_rl, change_sft)

    def state(self) -> dict:
        """Serialisable memory; `load` restores it exactly."""
        return {"history": [list(pair) for pair in self.history], "last": self.last}

    def load(self, state: dict) -> None:
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


def mixture_mu(step: int, spec: Mixture) -> float:
    """CHORD's mu(s): linear warm-up to `peak`, cosine decay to `valley` (section 9.2)."""
    if step < spec.warmup:
        return step / spec.warmup * spec.peak
    if step >= spec.warmup + spec.decay:
        return spec.valley
    phase = (step - spec.warmup) / spec.decay
    return spec.valley + (spec.peak - spec.valley) * 0.5 * (1 + math.cos(math.pi * phase))


def sft_probability(last_sft_norm: float, warmup_norm: float, gamma: float) -> float:
    """SASR's chance that the next step is supervised (section 11; low confidence, not a method)."""
    return last_sft_norm / (last_sft_norm + gamma * warmup_norm)


def overlong_penalty(length: int, max_length: int, buffer: int) -> float:
    """Soft over-length penalty in [-1, 0] (section 3.4), tokens."""
    return max(-1.0, min(0.0, (max_length - buffer - length) / buffer))
