"""Prompt templates: how a question becomes the text that the model continues."""

import hashlib
import string
from collections.abc import Sequence

from red.errors import ConfigError

LETTERS = string.ascii_uppercase
ASSISTANT_HINT = "Please reason step by step, and put your final answer within \\boxed{}."
# The default of `think` when the data set brings no system prompt of its own.
THINK_SYSTEM = (
    "Solve the problem with a systematic reasoning process in two sections. Thought: between <think> "
    "and </think>, analyze, summarize, explore, reassess and refine until the result is certain. "
    "Solution: after </think>, state the final, precise solution with the answer in \\boxed{}."
)
# {question} holds the options already; {system} is filled in by templates that have it.
TEMPLATES = {
    "plain": "{question}.\nA:",
    "think": "{system}\nUser: This is the problem: {question}\nAssistant: <think>\n",
    "qwen_boxed": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n{question}\n" + ASSISTANT_HINT + "<|im_end|>\n<|im_start|>assistant\n"
    ),
    "chat": "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
}


def render(question: str, options: Sequence[object] | None, template_name: str, system: str | None = None) -> str:
    """Text given to the model. `plain` lists options by value, the others one per letter.

    `system` replaces the default system prompt of `think`; the other templates have none to replace.
    """
    template = _template(template_name)
    if options:
        question += _options(options, by_letter=template_name != "plain")
    # str.replace, because questions hold braces of their own
    return template.replace("{system}", system or THINK_SYSTEM).replace("{question}", question)


def template_hash(template_name: str, system: str | None = None) -> str:
    """SHA-256 of what `render` adds to a question, so that a changed template is never unnoticed."""
    shown = render("{question}", None, template_name, system) + _options(("a", "b"), template_name != "plain")
    return hashlib.sha256(shown.encode()).hexdigest()


def _options(options: Sequence[object], by_letter: bool) -> str:
    if not by_letter:
        return "\nOptions: " + ", ".join(str(option) for option in options)
    if len(options) > len(LETTERS):
        raise ConfigError(f"{len(options)} options; at most {len(LETTERS)} have a letter")
    return "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def _template(name: str) -> str:
    if name not in TEMPLATES:
        raise ConfigError(f"template {name!r} is unknown; known: {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
