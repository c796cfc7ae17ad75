"""GAC: CHORD-phi whose mu moves by the noise of its two gradients (arXiv 2605.26184).

mu moves slowly towards (d / 2 + r) / (d + s + r), made of the running means of three numbers (`red.objective.noise`):
variance over rollouts r, over demonstrations s, and distance d. As in the released code mu has no share of CHORD's
schedule (the paper: half), and coefficients are as they are (the paper normalises them); the code measures at every
tenth step, we at each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from red.errors import ConfigError
from red.methods.base import Method, MixtureControl
from red.methods.chord_mu import ExpertBatch
from red.objective.spec import NLL, Aggregation, Mixture, ObjectiveSpec
from red.ranges import Decay, Share

EPS = 1e-8


@dataclass(frozen=True)
class NoiseControl(MixtureControl):
    """Settings of the controller.

    `decay`: of the running means. `mu_decay`: of mu towards the share of noise, within [low, high]. `cap`: how far mu
    goes in one step, at most. `gap_share`: the distance's part in the share of noise. `prior_share`: the part of
    CHORD's schedule in mu.
    """

    decay: Decay = 0.99
    mu_decay: Decay = 0.99
    cap: Share = 0.01
    start_at: Share = 0.5
    low: Share = 0.05
    high: Share = 0.9
    gap_share: Share = 0.5
    prior_share: Share = 0.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(f"low: {self.low:g} is above high, {self.high:g}")

    def start(self) -> "NoiseController":
        """Nothing measured yet."""
        return NoiseController(self, self.start_at)


@dataclass
class NoiseController:
    """mu, and the running means of the variances over rollouts and demonstrations and of the distance."""

    settings: NoiseControl
    mu: float
    means: tuple[float, ...] = ()

    def step(self, prior: float, measured: tuple[float, float, float]) -> None:
        """Move mu by one step's measurements; `prior` is CHORD's mu of the step."""
        one = self.settings
        old = self.means or measured
        self.means = tuple(one.decay * o + (1 - one.decay) * m for o, m in zip(old, measured, strict=True))
        moved = one.mu_decay * self.mu + (1 - one.mu_decay) * self.share
        aim = (1 - one.prior_share) * min(max(moved, one.low), one.high) + one.prior_share * prior
        self.mu += min(max(aim - self.mu, -one.cap), one.cap)

    @property
    def share(self) -> float:
        """Of the noise that is not the demonstrations'; 0 before anything is measured."""
        rollout, demonstration, gap = self.means or (0.0, 0.0, 0.0)
        return (self.settings.gap_share * gap + rollout) / (gap + demonstration + rollout + EPS)

    def state(self) -> dict[str, Any]:
        """Serialisable memory; `load` restores it exactly."""
        return {"mu": self.mu, "means": list(self.means)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.mu, self.means = state["mu"], tuple(state["means"])


METHOD = Method(
    objective=ObjectiveSpec(aggregation=Aggregation(kind="token_mean"), mixture=Mixture(), nll=NLL(token_weight="phi")),
    mix=ExpertBatch(),
    mixture_control=NoiseControl(),
)
