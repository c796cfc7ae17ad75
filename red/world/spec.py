"""What the tiny world is like, and which of its models to make. No heavy imports: read before anything runs."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from red.errors import ConfigError
from red.ranges import Count, Natural, Range, Share

Steps = Annotated[int, Range(0, 32)]
CHAINS = ((2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2))


@dataclass(frozen=True)
class World:
    """The knobs of the tiny world; shares and probabilities lie in [0, 1].

    The base reads drills, pages, and short solutions in its own manner, which follow its habits.
    """

    # Share of pretraining texts that are pages: a problem like those of training in the teacher's manner, whose
    # opening belongs to the prompt. The base can go on like the teacher, but rarely begins so.
    page_share: Share = 0.12
    # Share of place-value drills: one hard step worked out, or a number split.
    drill_share: Share = 0.10
    # Share of the base's own solutions that are of multiple choice.
    choice_share: Share = 0.12
    # Share of the base's own solutions whose problem has a hard step.
    hard_problems: Share = 0.02
    # Habit: the teacher's manner from the first word on, where no step is hard.
    teacher_like: Share = 0.04
    # Habit: the answer alone, without a step.
    guess: Share = 0.18
    # A bare guess is wrong.
    wrong_guess: Share = 0.30
    # Habit: `Answer 68` in the place of `\boxed{68}`, which earns nothing.
    unboxed: Share = 0.12
    # The result of an easy step is wrong.
    slip: Share = 0.12
    # The result of a hard step is wrong.
    hard_slip: Share = 0.40
    # Steps repeat the number they start from, `12+7=19. 19*3=57.`, instead of running on, `12+7=19*3=57.`
    restate: bool = False
    # The teacher checks a step again.
    recheck: Share = 0.35
    # In how many ways the teacher says a thing: one, or several, so that its demonstrations are less predictable.
    wording: Literal["plain", "varied"] = "varied"
    # Training prompts: share of chains, the others are half equations, half stories.
    chain_share: Share = 0.5
    # Training prompts: (steps, hard steps) of the chains, equally likely.
    chains: tuple[tuple[Steps, Steps], ...] = CHAINS
    # Training prompts: hard steps of the equations and stories, equally likely.
    other_hard: tuple[Natural, ...] = (0, 1, 1, 2, 2)

    def __post_init__(self) -> None:
        if self.teacher_like + self.guess > 1:
            raise ConfigError("guess: together with teacher_like more than 1")
        if self.page_share + self.drill_share > 1:
            raise ConfigError("page_share: together with drill_share more than 1")
        if not self.chains or any(not 0 <= hard <= steps or not steps for steps, hard in self.chains):
            raise ConfigError("chains: pairs of steps, one or more, and of how many of them are hard")
        if not self.other_hard or any(not 0 <= hard <= 2 for hard in self.other_hard):
            raise ConfigError("other_hard: an equation and a story have two steps, of which 0, 1 or 2 are hard")


@dataclass(frozen=True)
class EmbeddedModel:
    """Spec of an embedded model. Without a `seed` a study trains one base per seed of its runs; `steps` changes the
    length of the pretraining."""

    source: str = "embedded"
    size: Literal["base", "large"] = "base"
    seed: Natural | None = None
    steps: Count | None = None
    optimizer: Literal["muon", "adamw"] = "muon"
    world: World = field(default_factory=World)
