"""Light normalization of an answer: two answers that differ only in dress become equal text."""

import re

from red.grading.answers.characters import clean

_TEXT = re.compile(
    r"\\(?:text|textrm|textbf|textit|textsf|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|bm"
    r"|boldsymbol|mbox|hbox|operatorname|boxed|fbox)\*?\s*\{([^{}]*)\}"
)
_E_NOTATION = re.compile(r"(?<![\w.\\])((?:\d+\.?\d*|\.\d+))[eE]([+-]?\d+)(?![\w.])")
_PYTHON_PREFIX = re.compile(r"\b(?:np|numpy|math)\.(?=[a-z]+\()")
_PYTHON_POWER = re.compile(r"\*\*\s*(-?\d+|\w|\([^()]*\))")
_REOPENED = re.compile(r"\$\s+\$")
_AND_OR = re.compile(r"\b(?:and|or)\b")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ALIGNMENT = re.compile(r"\\(?:begin|end)\{(?:align(?:ed)?|equation|gather(?:ed)?|split)\*?\}|&(?==)")
_EMPTY_DECIMALS = re.compile(r"(\d)\.(?=\s*[-+*/^)}\]])")
_SUBSTITUTIONS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?", ""),
        (r",?\s*(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])\s*|;", ","),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\leqslant(?![a-zA-Z])|\\leq(?![a-zA-Z])", r"\\le "),
        (r"\\geqslant(?![a-zA-Z])|\\geq(?![a-zA-Z])", r"\\ge "),
        (r"\\neq(?![a-zA-Z])", r"\\ne "),
        (r"\\varnothing(?![a-zA-Z])", r"\\emptyset "),
        (r"\\var(?=(?:epsilon|phi|theta|rho|sigma|pi|kappa)(?![a-zA-Z]))", r"\\"),
        (r"^\s*(?:=|\\approx(?![a-zA-Z])|\\sim(?![a-zA-Z]))", ""),
        (r"\\mid(?![a-zA-Z])", "|"),
        (r"\\times(?![a-zA-Z])|\*(?!\*)", r"\\cdot "),
        (r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree(?![a-zA-Z])", ""),
        (r"\\(?:lbrace|rbrace)(?![a-zA-Z])", lambda brace: r"\{" if "l" in brace[0] else r"\}"),
        (r",\\!\s*|\{,\}", ","),
        (r"\\[,!;:> ]|~|\\q?quad(?![a-zA-Z])", " "),
        (r"\\?\$|[\u00a3\u20ac\u00a5]", ""),
        (r"\\%|\s*\bper\s?cent\b", "%"),
        (r"(?<=\d)\s*[xX]\s*(?=10\s*\^)", r"\\cdot "),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"([\^_])\s*\{\s*(\w)\s*\}", r"\1\2"),
        (r"(?<=\d) +(?=\d)", "\x00"),
        (r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\x01"),
        (r"\s+", ""),
        ("\x01", " "),
        (r"(?<![\d.])\.(?=\d)", "0."),
        (r"(\d)\.0+(?![\d.])", r"\1"),
        (r"(?<![\d\x00])(\d{1,3})(?:\x00(\d{3}))+(?![\d\x00])", lambda n: n[0].replace("\0", "")),
    )
]
_INTEGER = re.compile(r"-?\d+")
_WORDS = re.compile(r"\\(?:text\w*|mbox|mathrm)\s*\{([A-Za-z][A-Za-z ,.'-]+)\}\.?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?%?")
_LETTER_IN_PARENTHESES = re.compile(r"\(([A-Za-z])\)\.?")


def plain(text: str) -> str:
    r"""Characters cleaned, `3.8e35` written as `3.8\times 10^{35}` and Python's `**` as `^`.

    A full stop at the end or behind the digits of `-1./3` goes; spacing and units stay.
    """
    text = _PYTHON_PREFIX.sub(r"\\", clean(text))
    text = _PYTHON_POWER.sub(r"^{\1}", text)
    text = _E_NOTATION.sub(r"\1\\times 10^{\2}", _ALIGNMENT.sub("", text))
    return _EMPTY_DECIMALS.sub(r"\1", text).strip().removesuffix(".").rstrip()


def gold_text(gold: str) -> str:
    r"""A gold as one piece of plain mathematics without dollars.

    Benchmarks write `$69$,$84$`, `$2$ or $-2$` or `$145$solution:`. The mathematics is between the
    dollars; outside them, commas, `and` and `or` separate answers, and prose ends the answer.
    """
    text = _REOPENED.sub(" ", gold.replace(r"\$", "").replace("$$", "$"))
    mathematics = ""
    for position, piece in enumerate(text.split("$")):
        piece = piece if position % 2 else _AND_OR.sub(",", piece)
        if position % 2 == 0 and _WORD.search(piece) and "$" in text and "\\" not in piece:
            if mathematics.strip():
                break
            continue
        mathematics += piece
    return plain(mathematics).rstrip(",;: ")


def light(text: str) -> str:
    r"""Dress removed from plain text: spaces, sizes, fonts, degree and currency signs, `{,}`,
    thousands commas, trailing `.0` and full stop, braces around one character.

    Digits that only a space separates are never joined, except in groups of three.
    """
    if _INTEGER.fullmatch(text):
        return text
    while (bare := _TEXT.sub(r"\1", text)) != text:
        text = bare
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    text = text.removesuffix(".").removeprefix("+")
    while text.startswith("{") and text.endswith("}") and _encloses(text):
        text = text[1:-1]
    name, equals, value = text.rpartition("=")
    if _THOUSANDS.fullmatch(value):
        text = name + equals + value.replace(",", "")
    if letter := _LETTER_IN_PARENTHESES.fullmatch(text):
        text = letter[1]
    return text


def words(text: str) -> str | None:
    """Plain text that is nothing but words in text mode, as lower-case letters; else None."""
    match = _WORDS.fullmatch(text)
    return match and re.sub(r"[^a-z]", "", match[1].lower())


def _encloses(text: str) -> bool:
    """Whether the first brace is closed by the last character."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return position == len(text) - 1
    return False
