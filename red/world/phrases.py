"""How the teacher says a thing: in one way, or in several, which are as many surprises for a model that imitates it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from red.world.spec import World


@dataclass(frozen=True)
class Phrases:
    """Phrases of equal meaning, each drawn anew; `{check}` is an equation, `{result}` a number."""

    openers: Sequence[str] = ("Okay, let me think. ",)
    first: Sequence[str] = ("First, ",)
    following: Sequence[str] = ("Then ", "Next, ")
    rechecks: Sequence[str] = (
        "Wait, let me check {check}. Yes. ",
        "But is it right? {check}. Yes. ",
        "Alternatively, {check}. ",
    )
    closings: Sequence[str] = ("So the answer is ",)
    # After a step, with this probability.
    remarks: Sequence[str] = ()
    remark: float = 0.0
    # Sums and differences are taken apart from either end.
    either_end: bool = False


PLAIN = Phrases()
VARIED = Phrases(
    openers=("Okay, let me think. ", "Let me see. ", "Let us begin. "),
    first=("First, ", "To begin, ", "Start with "),
    following=("Then ", "Next, ", "After that, ", "Now "),
    rechecks=(
        "Wait, let me check {check}. Yes. ",
        "Wait, once more: {check}. Right. ",
        "But is it right? {check}. It holds. ",
        "But once more: {check}. Yes. ",
        "Hmm, let me check {check}. Right. ",
        "Alternatively, {check}. ",
    ),
    closings=("So the answer is ", "Therefore it is ", "The result is "),
    remarks=("Good. ", "So far so good. ", "That gives {result}. "),
    remark=0.25,
    either_end=True,
)


def phrases(world: World) -> Phrases:
    """The phrases of a world's teacher."""
    return VARIED if world.wording == "varied" else PLAIN


def one_of(random: Random, ways: Sequence[str]) -> str:
    """One of them; where there is one only, nothing is drawn."""
    return ways[0] if len(ways) == 1 else random.choice(ways)
