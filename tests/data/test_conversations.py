"""A training prompt's messages: what is one question, and what is refused, by its kind."""

import pytest

from red.data.conversations import UnusableRow, question_of, text_of


def message(role, content="Q"):
    return {"role": role, "content": content}


def part(text):
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([message("user", "2+2?")], ("", "2+2?")),
        ([message("system", "Think."), message("user", "2+2?")], ("Think.", "2+2?")),
        ([message("user", [part("What is 2+2?")])], ("", "What is 2+2?")),
        ([message("system", [part("Think.")]), message("user", [part("2"), part("+2?")])], ("Think.", "2\n+2?")),
    ],
)
def test_one_question_with_or_without_a_system_prompt_is_read(messages, expected):
    assert question_of(messages) == expected


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([message("user"), message("assistant"), message("user")], "prompt_turns"),
        ([message("user"), message("user")], "prompt_turns"),
        ([message("system")], "prompt_turns"),
        ([], "prompt_turns"),
        ([message("tool"), message("user")], "prompt_turns"),
        ([message("user"), message("system")], "prompt_system"),
        ([message("system"), message("system"), message("user")], "prompt_system"),
        ([message("system"), message("user"), message("assistant", "So")], "prompt_prefill"),
        ([message("user", None)], "prompt_content"),
        ([message("user", [])], "prompt_content"),
        ([message("user", 4)], "prompt_content"),
        ([message("user", ["2+2?"])], "prompt_content"),
        ([message("user", [part("What is this?"), {"type": "image", "text": None}])], "prompt_content"),
        ([message("user", [part(None)])], "prompt_content"),
        ([message("system", None), message("user")], "prompt_content"),
        ([message("user", " \n")], "prompt_empty"),
    ],
)
def test_every_other_shape_is_refused_by_its_kind(messages, kind):
    with pytest.raises(UnusableRow) as error:
        question_of(messages)
    assert error.value.kind == kind and str(error.value).startswith("prompt: ")


def test_the_key_is_named():
    with pytest.raises(UnusableRow, match="target: content is neither") as error:
        text_of({"text": "4"}, "target")
    assert error.value.kind == "target_content"
