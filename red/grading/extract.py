"""The part of a response that counts: after the thought, inside the last complete box."""

import re

LONGEST_RESPONSE = 400_000
"""Characters of a response that are read, counted from its end."""

_BOX_OR_BRACE = re.compile(r"(\\(?:boxed|fbox)\s*\{)|\\\\(?!boxed|fbox)|\\[{}]|([{}])")
_BOX_COMMAND = re.compile(r"\\(?:boxed|fbox)")


def final_text(response: str, *, thought_open: bool = False) -> str | None:
    """The text after the last `</think>`; None if a thought is still open at the end.

    `thought_open` says that the prompt itself ends inside a thought.
    """
    before, closing, after = response.rpartition("</think>")
    if "<think>" in after or (thought_open and not closing):
        return None
    return after[-LONGEST_RESPONSE:]


def last_box(text: str) -> str | None:
    r"""Content of the last complete `\boxed{...}` or `\fbox{...}`; None if there is none.

    One pass with a stack of open braces, so time is linear however many boxes stay open.
    """
    first = _BOX_COMMAND.search(text)
    if first is None:
        return None
    open_braces: list[int] = []  # where the content of a box begins, -1 for a plain brace
    start, end = -1, -1
    for match in _BOX_OR_BRACE.finditer(text, first.start()):
        if match[1]:
            open_braces.append(match.end())
        elif match[2] == "{":
            open_braces.append(-1)
        elif match[2] == "}" and open_braces:
            opened = open_braces.pop()
            if opened >= 0:
                start, end = opened, match.start()
    return text[start:end] if end >= 0 else None
