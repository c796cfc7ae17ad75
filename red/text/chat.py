"""Chat templates are programs in Jinja that come with a model; transformers runs them in its sandbox."""

from collections.abc import Mapping, Sequence
from typing import Any

from red.errors import DataError

Message = Mapping[str, str]  # role, content
# Llama 3.2 writes the day into its system message. A prompt must not change overnight, so it is always the day that
# Llama itself takes where no clock is at hand.
DAY = "26 Jul 2024"


def render_chat(
    template: str, messages: Sequence[Message], special_tokens: Mapping[str, str], *, opens_answer: bool = True
) -> str:
    """The messages as text, with the head of the assistant's answer if it `opens_answer`.

    DataError with the template's own words if it refuses the messages (some know no system role).
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        variables: dict[str, Any] = {"date_string": DAY, **special_tokens}
        rendered = render_jinja_template(
            [[dict(message) for message in messages]],
            chat_template=template,
            add_generation_prompt=opens_answer,
            **variables,
        )[0]
    except Exception as error:  # a template is somebody's program: it raises what it likes
        roles = ", ".join(message["role"] for message in messages)
        raise DataError(f"the model's chat template refuses messages of {roles}: {error}") from None
    return str(rendered[0])
