"""Where a response's tokens stand (Open, Initial, Intermediate, Final) and which are thinking words."""

import re
from collections.abc import Sequence

import numpy as np

from red.text.thinking_words import PATTERN

STAGES = ("Open", "Initial", "Intermediate", "Final")
INITIAL_END, FINAL_START = 0.25, 0.75
END_OF_THOUGHT = "</think>"
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


def stages(tokens: Sequence[str]) -> np.ndarray:
    """Index into STAGES for every token.

    Open is the first sentence; the rest is cut at 25 % and 75 % of the tokens of the think part (all
    tokens if no closing think tag); the solution belongs to Final.
    """
    starts, text = _offsets(tokens)
    closing = text.find(END_OF_THOUGHT)
    thought = len(tokens) if closing < 0 else int((starts < closing).sum())
    first = _SENTENCE_END.search(text)
    opened = int((starts < first.end()).sum()) if first else len(tokens)
    index = np.arange(len(tokens))
    stage = np.where(index < INITIAL_END * thought, 1, np.where(index < FINAL_START * thought, 2, 3))
    return np.where(index < opened, 0, stage)


def thinking(tokens: Sequence[str]) -> np.ndarray:
    """True for tokens that overlap a thinking word or phrase, whole words, any case."""
    starts, text = _offsets(tokens)
    ends = np.append(starts[1:], len(text))
    marked = np.zeros(len(tokens), dtype=bool)
    for match in PATTERN.finditer(text):
        marked |= (starts < match.end()) & (ends > match.start())
    return marked


def _offsets(tokens: Sequence[str]) -> tuple[np.ndarray, str]:
    lengths = [len(token) for token in tokens]
    return np.cumsum([0, *lengths[:-1]])[: len(tokens)], "".join(tokens)
