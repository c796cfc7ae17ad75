"""The part of a tokenizer that is used here, and encoding with an error that names its place."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from red.errors import DataError, foreign

MISSING = "[UNK]"


class AddedToken(Protocol):
    content: str
    special: bool


class Tokenizer(Protocol):
    """The part of a Hugging Face `tokenizers.Tokenizer` that is used here."""

    encode_special_tokens: bool

    def encode(self, text: str, add_special_tokens: bool = ...) -> "Encoding": ...
    def decode(self, ids: Sequence[int], skip_special_tokens: bool = ...) -> str: ...
    def get_added_tokens_decoder(self) -> Mapping[int, AddedToken]: ...


class Encoding(Protocol):
    ids: list[int]
    offsets: list[tuple[int, int]]
    sequence_ids: list[int | None]


def encoded(tokenizer: Tokenizer, text: str, where: str) -> Encoding:
    """Tokens of a text; DataError begins with `where` if it has a word that the vocabulary lacks."""
    return _encode(tokenizer, text, where, add_special_tokens=False)


def encoded_from_start(tokenizer: Tokenizer, text: str, where: str) -> list[int]:
    """Ids of a text that nothing precedes: a BOS comes first where the tokenizer's own template puts one."""
    encoding = _encode(tokenizer, text, where, add_special_tokens=True)
    # What the template puts behind the text, an EOS for one, would end the prompt.
    own = [place for place, sequence in enumerate(encoding.sequence_ids) if sequence is not None]
    return encoding.ids[: own[-1] + 1] if own else []


def encoded_plainly(tokenizer: Tokenizer, text: str, where: str) -> Encoding:
    """Tokens of a text in which special tokens are read as the characters that they are written with."""
    tokenizer.encode_special_tokens = True
    try:
        return encoded(tokenizer, text, where)
    finally:
        tokenizer.encode_special_tokens = False


def _encode(tokenizer: Tokenizer, text: str, where: str, add_special_tokens: bool) -> Encoding:
    try:
        with foreign(f"{where}: cannot be tokenized"):
            return tokenizer.encode(text, add_special_tokens=add_special_tokens)
    except DataError as error:
        # Of a vocabulary of words the library says that one is missing, but not which.
        words = text.split() if MISSING in str(error) else []
        unknown = next((word for word in words if not _is_known(tokenizer, word)), None)
        if unknown is None:
            raise
        raise DataError(f"{where}: cannot be tokenized: the vocabulary has no {unknown[:40]!r}") from None


def _is_known(tokenizer: Tokenizer, word: str) -> bool:
    try:
        with foreign(word):
            tokenizer.encode(word, add_special_tokens=False)
    except DataError as error:
        return MISSING not in str(error)
    return True


def decoded(tokenizer: Tokenizer, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
    """The text of some tokens."""
    with foreign("tokens cannot be decoded; is tokenizer.json whole?"):
        return tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens)
