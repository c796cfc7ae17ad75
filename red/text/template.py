"""Prompt templates: how a question becomes the text that the model continues."""

import string
from collections.abc import Sequence

from red.errors import ConfigError

LETTERS = string.ascii_uppercase
THOUGHT_OPEN = "<think>\n"  # how a prompt ends that opens a thought
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
}
# The model's own template, see `red.text.codec`.
CHAT = "chat"


def render(question: str, options: Sequence[object] | None, template_name: str, system: str | None = None) -> str:
    """Text given to the model by one of TEMPLATES.

    `system` replaces the default system prompt of `think`; the other templates have none to replace.
    """
    if template_name not in TEMPLATES:
        raise ConfigError(f"template {template_name!r} is unknown; known: {', '.join([*TEMPLATES, CHAT])}")
    question = question_text(question, options, template_name)
    # str.replace, because questions hold braces of their own
    return TEMPLATES[template_name].replace("{system}", system or THINK_SYSTEM).replace("{question}", question)


def question_text(question: str, options: Sequence[object] | None, template_name: str) -> str:
    """The question with its options: `plain` lists them by value, the others one per letter."""
    if not options:
        return question
    if template_name == "plain":
        return f"{question}\nOptions: {', '.join(str(option) for option in options)}"
    if len(options) > len(LETTERS):
        raise ConfigError(f"{len(options)} options; at most {len(LETTERS)} have a letter")
    return question + "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
