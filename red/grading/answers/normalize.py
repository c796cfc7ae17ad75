"""Light normalization of an answer: two answers that differ only in dress become equal text."""

import re

from red.grading.answers.characters import clean
from red.grading.answers.dress import as_latex, undressed

_TEXT = re.compile(r"\\(?:text|mathrm|operatorname|boxed|fbox)\*?\s*\{([^{}]*)\}")
_E_NOTATION = re.compile(r"(?<![\w.\\])((?:\d+\.?\d*|\.\d+))[eE]([+-]?\d+)(?![\w.])")
_PYTHON_POWER = re.compile(r"\*\*\s*(-?\d+|\w|\([^()]*\))")
_REOPENED = re.compile(r"\$\s+\$")
_WORD = re.compile(r"(?<![A-Za-z])(?!(?:and|or)(?![A-Za-z]))[A-Za-z]{2,}")
_EMPTY_DECIMALS = re.compile(r"(\d)\.(?=\s*[-+*/^)}\]])")
_FINAL = re.compile(r"^.*####", re.DOTALL)
_SUBSTITUTIONS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|middle|[bB]igg?[lrm]?|limits)(?![a-zA-Z])\.?", ""),
        (r",?\s*(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])\s*", ";"),
        (r"\\leqslant(?![a-zA-Z])|\\leq(?![a-zA-Z])", r"\\le "),
        (r"\\geqslant(?![a-zA-Z])|\\geq(?![a-zA-Z])", r"\\ge "),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"\\neq(?![a-zA-Z])", r"\\ne "),
        (r"\\varnothing(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\var(?=(?:epsilon|phi|theta|rho|sigma|pi|kappa)(?![a-zA-Z]))", r"\\"),
        (r"^\s*(?:=|\\(?:approx|sim|therefore|Rightarrow|implies)(?![a-zA-Z]))", ""),
        (r"\\mid(?![a-zA-Z])", "|"),
        (r"\\times(?![a-zA-Z])|\*(?!\*)", r"\\cdot "),
        (r"\^\s*(?:\\circ(?![a-zA-Z])|\{\s*\\circ\s*\})|\\degree(?![a-zA-Z])", " "),
        (r"\\(?:lbrace|rbrace)(?![a-zA-Z])", lambda brace: r"\{" if "l" in brace[0] else r"\}"),
        (r",\\!\s*", ","),
        (r"\\[,!;:> ]|~|\\q?quad(?![a-zA-Z])", " "),
        (r"\$", " "),
        (r"\\%|\s*\bper\s?cent\b", "%"),
        (r"(?<=\d)\s*[xX]\s*(?=10\s*\^)", r"\\cdot "),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"([\^_])\s*\{\s*(\w)\s*\}", r"\1\2"),
    )
]
_THREE_DIGITS = re.compile(r"\d\s*[,;]\s*\d{3}(?!\d)")
_SURELY_APART = re.compile(r"\s*;\s*|\s+,\s*|,\s+")
_SPACES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d) +(?=\d)", "\x00"),
        (r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\x01"),
        (r"\s+", ""),
        ("\x01", " "),
        (r"(?<![\d.])\.(?=\d)", "0."),
        (r"(?<![\d.])(\d+)\.0+(?![\d.])", r"\1"),
        (r"(?<![\d\x00])(\d{1,3})(?:\x00(\d{3}))+(?![\d\x00])", lambda n: n[0].replace("\0", "")),
    )
]
_INTEGER = re.compile(r"-?\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?%?")
_LETTER_IN_PARENTHESES = re.compile(r"\(([A-Za-z])\)\.?")


def plain(text: str) -> str:
    r"""An answer as plain LaTeX: characters cleaned, dress off, `3.8e35` as `3.8\times 10^{35}`.

    A full stop at the end or behind the digits of `-1./3` goes; units and words stay.
    """
    if _INTEGER.fullmatch(text):
        return text
    text = undressed(" ".join(clean(text).split()))
    text = as_latex(_PYTHON_POWER.sub(r"^{\1}", text))
    text = _E_NOTATION.sub(r"\1\\times 10^{\2}", text)
    return _EMPTY_DECIMALS.sub(r"\1", text).strip().removesuffix(".").rstrip()


def gold_text(gold: str) -> str:
    r"""A gold as one piece of plain mathematics without dollars.

    Benchmarks write `$69$,$84$`, `$2$ or $-2$`, `$145$solution:` or `#### 72`. The mathematics is between
    the dollars; outside them, commas, `and` and `or` separate answers, and prose ends the answer.
    """
    text = _REOPENED.sub(" ", _FINAL.sub("", gold).replace(r"\$", " ").replace("$$", "$"))
    mathematics = ""
    for position, piece in enumerate(text.split("$")):
        if position % 2 == 0 and _WORD.search(piece) and "$" in text and "\\" not in piece:
            if mathematics.strip():
                break
            continue
        mathematics += piece if position % 2 or "$" not in text else piece.replace(",", " , ")
    return plain(mathematics).rstrip(",;: ")


def light(text: str, *, is_list: bool = False) -> str:
    r"""Plain text without spaces, text mode, degree signs, thousands commas, trailing `.0` and full stop.

    Digits that only a space separates are never joined, except in groups of three. A comma that
    surely separates is written `;` where another reading is thousands: `120, 150`. With `is_list`
    the comma of `120,150` is one, too.
    """
    if _INTEGER.fullmatch(text):
        return text
    while (bare := _TEXT.sub(r"\1", text)) != text:
        text = bare
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    text = _SURELY_APART.sub(";", text) if _THREE_DIGITS.search(text) else text.replace(";", ",")
    for pattern, replacement in _SPACES:
        text = pattern.sub(replacement, text)
    text = text.removesuffix(".").removeprefix("+")
    while text.startswith("{") and text.endswith("}") and _encloses(text):
        text = text[1:-1]
    if letter := _LETTER_IN_PARENTHESES.fullmatch(text):
        return letter[1]
    name, equals, value = text.rpartition("=")
    return text if is_list else name + equals + without_thousands(value)


def without_thousands(text: str) -> str:
    """`12,450` as 12450; any other text as it is."""
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _encloses(text: str) -> bool:
    """Whether the first brace is closed by the last character."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return position == len(text) - 1
    return False
