"""The part of a response that counts: after the thought, inside the last complete box."""

import re

LONGEST_RESPONSE = 400_000
"""Characters of a response that are read, counted from its end."""

_BOX_OR_BRACE = re.compile(r"(\\(?:boxed|fbox)\s*\{)|\\\\(?!boxed|fbox)|\\[{}]|([{}])")
_MENTION = re.compile(
    r"(?:\b(?:the|a|my|your|any|no|this|that) [`'\"]?|[`'\"])<think>"
    r"|<think>[`'\"]? (?:tag|part|block|section|step|token)s?\b"
)
_BOX_COMMAND = re.compile(r"\\(?:boxed|fbox)")


def final_text(response: str, *, thought_open: bool = False) -> str | None:
    """The text after the last `</think>`; None if a thought is still open at the end.

    `thought_open` says that the prompt itself ends inside a thought. A sentence about "the <think> part" opens none.
    """
    before, closing, after = response.rpartition("</think>")
    if ("<think>" in after and "<think>" in _MENTION.sub("", after)) or (thought_open and not closing):
        return None
    return after[-LONGEST_RESPONSE:]


def last_box(text: str) -> str | None:
    r"""Content of the last complete `\boxed{...}` or `\fbox{...}`; None if there is none.

    A box that holds nothing but another box has the content of that one. One pass with a stack of open
    braces, so time is linear however many boxes stay open.
    """
    first = _BOX_COMMAND.search(text)
    if first is None:
        return None
    open_braces: list[re.Match[str]] = []
    start, end = -1, -1  # the content
    begin, finish = -1, -1  # the whole box
    for match in _BOX_OR_BRACE.finditer(text, first.start()):
        if match[0][-1] == "{" and match[0] != r"\{":
            open_braces.append(match)
        elif match[2] == "}" and open_braces and (opening := open_braces.pop())[1]:
            around = text[opening.end() : begin] + text[finish : match.start()]
            if begin < opening.end() or around.strip():
                start, end = opening.end(), match.start()
            begin, finish = opening.start(), match.end()
    return text[start:end] if end >= 0 else None
