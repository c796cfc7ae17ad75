"""A training prompt's messages: one question, perhaps after a system prompt. Other shapes are refused, never cut."""

from collections.abc import Mapping, Sequence
from typing import Any

from red.errors import DataError


class UnusableRow(DataError):
    """A part of a row that cannot be trained on; `kind` names it for a count."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def question_of(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """(system prompt or an empty text, question).

    UnusableRow for several turns, a system message that is not the first, or the beginning of an answer: a model's chat
    template would write them where they stand, and one question cannot say where that was.
    """
    roles = [message["role"] for message in messages]
    system, rest = (messages[0], messages[1:]) if roles[:1] == ["system"] else (None, messages)
    if "system" in roles[1:]:
        raise UnusableRow("prompt_system", "prompt: a system message that is not the first")
    if roles[-1:] == ["assistant"]:
        raise UnusableRow("prompt_prefill", "prompt: ends in the beginning of an answer")
    if [message["role"] for message in rest] != ["user"]:
        raise UnusableRow("prompt_turns", f"prompt: messages of {', '.join(map(str, roles))} are not one question")
    question = text_of(rest[0]["content"], "prompt")
    if not question.strip():
        raise UnusableRow("prompt_empty", "prompt: the question is empty")
    return "" if system is None else text_of(system["content"], "prompt"), question


def text_of(content: Any, key: str) -> str:
    """A message's text. Parts that are all texts are joined by line ends, as vLLM joins them."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) and content else [None]
    texts = [part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None for part in parts]
    whole = [text for text in texts if isinstance(text, str)]
    if len(whole) < len(texts):
        raise UnusableRow(f"{key}_content", f"{key}: content is neither a text nor a list of texts")
    return "\n".join(whole)
