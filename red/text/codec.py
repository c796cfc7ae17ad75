"""From text to tokens and back as one model does it: its tokenizer, its end tokens, its chat template."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from red.errors import DataError
from red.text.chat import Refused, render_chat
from red.text.template import CHAT, question_text, render
from red.text.tokens import Encoding, Tokenizer, decoded, encoded, encoded_from_start, encoded_plainly

PRIVATE_USE = range(0xE000, 0xF900)  # code points that no text should hold


@dataclass(frozen=True)
class Prompt:
    """What a model continues, as text and as token ids."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Codec:
    """How a model reads a problem and ends a response.

    Each of `stop_ids` ends a response. `chat_template` is the model's own, if it has one;
    `special_tokens` are the texts that it may use, by name (bos_token, eos_token).
    """

    tokenizer: Tokenizer
    stop_ids: tuple[int, ...]
    chat_template: str | None = None
    special_tokens: Mapping[str, str] = field(default_factory=dict)

    def prompt(
        self, question: str, options: Sequence[object] | None, template: str, system: str | None, where: str
    ) -> Prompt:
        """The rendered problem. Control tokens inside the question, options and system prompt stay text.

        DataError begins with `where` if a word is not in the vocabulary.
        """
        question, system = question_text(question, options, template), system or ""
        marks = self._marks(question + system)
        for mark, token in marks.items():
            question, system = question.replace(token, mark), system.replace(token, mark)
        text = self.render(question, None, template, system or None)
        tokens: list[int] = []
        for part in re.split(f"([{''.join(marks)}])", text) if marks else [text]:
            if part in marks:
                tokens += self._plainly(marks[part], where).ids
            elif part:
                # A chat template writes its BOS itself.
                if tokens or template == CHAT:
                    tokens += encoded(self.tokenizer, part, where).ids
                else:
                    tokens += encoded_from_start(self.tokenizer, part, where)
        for mark, token in marks.items():
            text = text.replace(mark, token)
        return Prompt(text, tuple(tokens))

    def response(self, text: str, where: str) -> Encoding:
        """A response without its end. Control tokens inside of it stay text; end tokens behind it are dropped."""
        while (whole := text.rstrip()).endswith(self.ends):
            text = whole.removesuffix(next(end for end in self.ends if whole.endswith(end)))
        return self._plainly(text, where)

    def render(self, question: str, options: Sequence[object] | None, template: str, system: str | None = None) -> str:
        """The text of a prompt. With `chat`, a system prompt is a message of its own."""
        if template != CHAT:
            return render(question, options, template, system)
        if self.chat_template is None:
            raise DataError("template 'chat': the model has no chat template; take plain, think or qwen_boxed")
        messages = [{"role": "user", "content": question_text(question, options, template)}]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        return render_chat(self.chat_template, messages, self.special_tokens)

    def template_hash(self, template: str, system: str | None = None) -> str:
        """SHA-256 of what `render` adds to a question, so that a changed template is never unnoticed."""
        text = question_text(self.render("{question}", None, template, system), ("a", "b"), template)
        return hashlib.sha256(text.encode()).hexdigest()

    def end_id(self, template: str) -> int:
        """What ends a demonstration: in a chat the end of the assistant's message, else the first end token."""
        end = chat_end(self.tokenizer, self.chat_template, self.special_tokens) if template == CHAT else None
        return self.stop_ids[0] if end is None else end

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The texts of the end tokens."""
        texts = [decoded(self.tokenizer, [id], skip_special_tokens=False) for id in self.stop_ids]
        return tuple(text for text in texts if text.strip())

    @cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """The texts that the tokenizer reads as special tokens, and the ends, the longest first."""
        return tuple(sorted({*self._controls.values(), *self.ends}, key=lambda text: (-len(text), text)))

    @cached_property
    def _controls(self) -> dict[int, str]:
        added = self.tokenizer.get_added_tokens_decoder()
        return {id: token.content for id, token in added.items() if token.special}

    def _plainly(self, text: str, where: str) -> Encoding:
        """Tokens of a text without any special one; DataError where the vocabulary has its characters as that only."""
        encoding = encoded_plainly(self.tokenizer, text, where)
        if found := {*self._controls, *self.stop_ids} & set(encoding.ids):
            token = decoded(self.tokenizer, [min(found)], skip_special_tokens=False)
            raise DataError(f"{where}: holds {token!r}, which this model reads as a control token")
        return encoding

    def _marks(self, text: str) -> dict[str, str]:
        """A character that is not in `text` for each control token that is."""
        found = [token for token in self.control_tokens if token in text]
        return dict(zip((mark for mark in map(chr, PRIVATE_USE) if mark not in text), found, strict=False))


def chat_end(tokenizer: Tokenizer, chat_template: str | None, special_tokens: Mapping[str, str]) -> int | None:
    """The special token that the chat template writes after an assistant's message, if it writes one."""
    if chat_template is None:
        return None
    messages = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "answer"}]
    try:
        text = render_chat(chat_template, messages, special_tokens, opens_answer=False)
    except Refused:  # a template for prompts only
        return None
    _, answer, after = text.rpartition("answer")
    added = {token.content: id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    ends = [content for content in added if answer and after.lstrip().startswith(content)]
    return added[max(ends, key=len)] if ends else None
