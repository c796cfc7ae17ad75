"""One sampled response, for training and evaluation alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Response:
    """Token ids, the end token included if it was reached, and why they end.

    The length of a response is the number of these tokens: the end token counts, because it is sampled
    and learned like any other.
    """

    tokens: list[int]
    finish_reason: Literal["stop", "length"]

    @property
    def text_tokens(self) -> list[int]:
        """Without the end token, for decoding."""
        return self.tokens[:-1] if self.finish_reason == "stop" else self.tokens


def until_stop(tokens: Sequence[int], stops: Sequence[int]) -> Response:
    """Cut after the first end token; without one the response was truncated."""
    for position, token in enumerate(tokens):
        if token in stops:
            return Response(list(tokens[: position + 1]), "stop")
    return Response(list(tokens), "length")
