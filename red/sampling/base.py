"""The protocol between generation and the engines that sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tokenizers import Tokenizer

from red.errors import DataError
from red.plumbing.storage import read_object

CHAT_END = "<|im_end|>"


@dataclass(frozen=True)
class Sampling:
    """How every response is drawn. Temperature 0 is greedy; lengths in tokens."""

    temperature: float
    max_new_tokens: int
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One response to draw: the prompt's token ids and the seed of this response alone."""

    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Response tokens without the end token, and why they end."""

    tokens: list[int]
    finish_reason: Literal["stop", "length"]


class Backend(Protocol):
    """Samples from one checkpoint at a time."""

    name: str

    def load(self, checkpoint: Path) -> None:
        """Serve this checkpoint from now on."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Answer]]:
        """Pairs (index of the request, answer) as they are finished, in any order, each once."""

    def close(self) -> None:
        """Free the engine."""


def stop_ids(checkpoint: Path) -> tuple[int, ...]:
    """Token ids that end a response: the model's end tokens and, where it exists, the chat end."""
    generation = checkpoint / "generation_config.json"
    config = read_object(checkpoint / "config.json")
    eos = (read_object(generation) if generation.exists() else {}).get("eos_token_id")
    eos = config.get("eos_token_id") if eos is None else eos
    chat_end = load_tokenizer(checkpoint).token_to_id(CHAT_END)
    found = [*(eos if isinstance(eos, list) else [eos]), chat_end]
    ids = tuple(dict.fromkeys(id for id in found if id is not None))
    if not ids:
        raise DataError(f"{checkpoint / 'config.json'}: eos_token_id is missing; responses could not end")
    return ids


def load_tokenizer(checkpoint: Path) -> Tokenizer:
    """The checkpoint's own tokenizer."""
    path = checkpoint / "tokenizer.json"
    if not path.exists():
        raise DataError(f"{path}: no such file; a checkpoint needs its tokenizer.json beside the weights")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for a malformed file
        raise DataError(f"{path}: not a tokenizer ({error})") from None


def until_stop(tokens: Sequence[int], stops: Sequence[int]) -> Answer:
    """Cut at the first end token; without one the response was truncated."""
    for position, token in enumerate(tokens):
        if token in stops:
            return Answer(list(tokens[:position]), "stop")
    return Answer(list(tokens), "length")
