"""The part of a tokenizer that is used here, and encoding with an error that names its place."""

from collections.abc import Sequence
from typing import Protocol

from red.errors import DataError


class Tokenizer(Protocol):
    """The part of a Hugging Face `tokenizers.Tokenizer` that is used here."""

    def encode(self, text: str, add_special_tokens: bool = ...) -> "Encoding": ...
    def decode(self, ids: Sequence[int], skip_special_tokens: bool = ...) -> str: ...


class Encoding(Protocol):
    ids: list[int]
    offsets: list[tuple[int, int]]


def encoded(tokenizer: Tokenizer, text: str, where: str) -> Encoding:
    """Tokens of a text; DataError begins with `where` if it has a word that the vocabulary lacks."""
    try:
        return tokenizer.encode(text, add_special_tokens=False)
    except Exception as error:  # tokenizers raises bare Exception
        raise DataError(f"{where}: cannot be tokenized ({error})") from None
