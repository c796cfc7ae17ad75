"""`ObjectiveSpec`: the frozen row that defines a method's loss, as in the table of docs/methods.md section 13.2."""

from dataclasses import dataclass, field, replace
from typing import Literal

from red.errors import ConfigError
from red.ranges import Count, Natural, NonNegative, Number, Positive, PositiveShare, Ranged, Share

DemonstrationKind = Literal[
    "none", "ratio_one", "ratio_self", "ratio_old", "shift", "shift_through", "shape", "trust", "mixture_is"
]
WeightKind = Literal["constant", "entropy_ratio", "mean_of", "resampled_from"]


@dataclass(frozen=True)
class Advantage(Ranged):
    """A = R - mean(R) over the group, divided by std(R) + eps (n - 1 in the deviation) if `std`.

    With a `teacher` coefficient, a sampled token's is `reward` A + `teacher` (log pi_T - log pi_old), where pi_T is the
    teacher's policy.
    """

    over: Literal["rollouts", "union"] = "rollouts"
    std: bool = True
    eps: Positive = 1e-6
    reward: NonNegative = 1.0
    teacher: NonNegative = 0.0


@dataclass(frozen=True)
class RolloutTerm(Ranged):
    """Term on rollouts: `ratio` is the (clipped) surrogate, `logp_signed` is SRFT's self-rollout, `nft` NFT's, `gvpo`
    GVPO's.

    `clip_low`/`clip_high` of None means no clip. `scale` is SRFT's factor on correct rollouts, `neg_weight` NFT's on
    wrong ones, `beta` GVPO's on log(pi/pi_old).
    """

    kind: Literal["ratio", "logp_signed", "nft", "gvpo"] = "ratio"
    clip_low: NonNegative | None = 0.2
    clip_high: NonNegative | None = 0.2
    scale: NonNegative = 0.1
    neg_weight: NonNegative = 1.0
    beta: Positive = 0.1


@dataclass(frozen=True)
class DemonstrationTerm(Ranged):
    """Policy-gradient term on demonstrations, pi / pi_offline * A: the choice of the offline policy (Eq. 8, 11).

    `r_group_over` "next_group" takes the accuracy of another prompt: a control. `gamma` is of `shape`, `alpha` of
    `trust`, `focus` of `mixture_is`. `clip_low`/`clip_high` bound the ratio as on rollouts, None means no clip.
    `advantage` "one" has A = 1 in the place of the group's. `top_entropy`: the share of its tokens that is learned,
    those of highest entropy; the others stay in every divisor. A prefix inside a hybrid is learned by this term too.
    """

    kind: DemonstrationKind = "none"
    gamma: Positive = 0.1
    r_group_over: Literal["rollouts", "union", "next_group"] = "rollouts"
    alpha: Positive = 0.1
    focus: NonNegative = 0.5
    clip_low: NonNegative | None = None
    clip_high: NonNegative | None = None
    advantage: Literal["group", "one"] = "group"
    top_entropy: PositiveShare = 1.0


@dataclass(frozen=True)
class Weight(Ranged):
    """Schedule of the weight `w` on demonstrations and its controls. `entropy_ratio` (Eq. 13, 14) is
    clip(change on demonstrations / max(change on rollouts, floor), low, high), a change being that of the mean
    entropy against its mean over the last `window` steps.

    `high` of None is no upper bound. `mean_of` and `resampled_from` read each w that the run
    named `source` logged. `target` "random" puts w on a random 1/group of all sequences.
    """

    kind: WeightKind = "constant"
    value: NonNegative = 1.0
    window: Count = 1
    low: NonNegative = 1.0
    high: NonNegative | None = 8.0
    floor: Positive = 1e-6
    source: str | None = None
    target: Literal["demonstrations", "random"] = "demonstrations"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high is not None and self.low > self.high:
            raise ConfigError(f"low: {self.low:g} is above high, {self.high:g}")


@dataclass(frozen=True)
class NLL(Ranged):
    """Supervised term on demonstrations: coefficient, per-token weight, and its own mean.

    `negative`: wrong demonstrations (accuracy 0) are pushed down, by so much of an NLL over them alone. None: they are
    learned like right ones.
    """

    coefficient: NonNegative = 0.0
    token_weight: Literal["one", "phi", "probability", "exp_neg_entropy"] = "one"
    aggregation: Literal["token_mean", "seq_mean"] = "token_mean"
    negative: NonNegative | None = None


@dataclass(frozen=True)
class Mixture(Ranged):
    """CHORD's mu: (1 - mu) on the rollout term, mu on the NLL term. `warmup` and `decay` in steps."""

    warmup: Natural = 0
    decay: Natural = 200
    peak: Share = 0.9
    valley: Share = 0.05


@dataclass(frozen=True)
class Aggregation(Ranged):
    """How policy-gradient tokens become one number, over all N sequences of n_i tokens of a step: `seq_mean` weighs
    a token with 1 / (N n_i), `token_mean` with 1 / sum(n_i), `const` with 1 / (N L).

    `length` is L of `const`, in tokens. None means `share` of the longest response, set when a run is
    resolved: 512 of 8192 in `common`, so that the balance with NLL and entropy terms is the same at
    every scale.
    """

    kind: Literal["seq_mean", "token_mean", "const"] = "seq_mean"
    length: Positive | None = None
    share: Positive = 512 / 8192

    def resolved(self, max_new_tokens: int) -> "Aggregation":
        """With `length` in tokens."""
        length = self.share * max_new_tokens if self.length is None else self.length
        return replace(self, length=length)


@dataclass(frozen=True)
class ObjectiveSpec:
    """Everything that makes a method's loss. Defaults are GRPO's (Eq. 1)."""

    advantage: Advantage = field(default_factory=Advantage)
    rollout: RolloutTerm | None = field(default_factory=RolloutTerm)
    demonstration: DemonstrationTerm = field(default_factory=DemonstrationTerm)
    weight: Weight = field(default_factory=Weight)
    nll: NLL = field(default_factory=NLL)
    mixture: Mixture | None = None
    aggregation: Aggregation = field(default_factory=Aggregation)
    entropy_coef: Number = 0.0
    filter: Literal["none", "accuracy_variance"] = "none"
    gate: Share | None = None

    @property
    def residual(self) -> RolloutTerm | None:
        """The rollout term if it is a residual within its group (GVPO): the group's means are measured before each
        update that has an older policy."""
        return self.rollout if self.rollout is not None and self.rollout.kind == "gvpo" else None

    def resolved(self, max_new_tokens: int) -> "ObjectiveSpec":
        """With its lengths in tokens, for responses of at most `max_new_tokens`."""
        return replace(self, aggregation=self.aggregation.resolved(max_new_tokens))
