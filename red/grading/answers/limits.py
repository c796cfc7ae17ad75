"""Answers that must not be evaluated: size bombs, code, endless nesting."""

import re

LONGEST_ANSWER = 1_000
DEEPEST_NESTING = 30
LARGEST_POWER = 5_000
"""Decimal digits that a numeric power may have."""

_CODE = re.compile(
    r"__|(?<![\\A-Za-z])(?:import\s|lambda[^{}]*:|(?:eval|exec|compile|open|print|input|getattr"
    r"|globals|locals)\s*\(|(?:os|sys|np|numpy|scipy|sympy|builtins|subprocess)\.\w)"
    r"|\w\.[A-Za-z]\w*\(",
    re.IGNORECASE,
)
_MACRO = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|[egx]?def|let|write|input|include|open(?:in|out)|read"
    r"|catcode|[ce]?csname|immediate|special|usepackage|loop|expandafter|directlua|[hv]?phantom|[bx]?cancel)(?![a-zA-Z])"
)
_SERIES = re.compile(r"\\(?:sum|prod|coprod|i{0,2}int|oint)(?![a-zA-Z])")
_POWER_OF_INTEGER = re.compile(r"(?<![\w.])(\d+)\s*\^\s*(?:(\d)|\{\s*\(?\s*(\d+)\s*\)?\s*\})")
_HUGE_EXPONENT = re.compile(r"\^\s*[{(\s]*-?\s*\d{5,}")
_CHAINED_EXPONENT = re.compile(r"\^\s*(?:\w+|\{[^{}]*\})\s*\^")
_HUGE_FACTORIAL = re.compile(r"\d{4,}[\s)}]*!|![\s)}]*!")
_HUGE_BINOMIAL = re.compile(r"\\[dt]?(?:binom|choose)(?![a-zA-Z]).*\d{5,}|\d{5,}.*\\choose")


def is_refused(text: str) -> bool:
    r"""Whether plain LaTeX must be refused before any symbolic work.

    Too long, nested too deeply, a tower of exponents, a huge power, factorial or binomial, a sum,
    product or integral, or the words of a programming language.
    """
    if len(text) > LONGEST_ANSWER or nesting(text) > DEEPEST_NESTING:
        return True
    if any(pattern.search(text) for pattern in (_CODE, _MACRO, _SERIES, _CHAINED_EXPONENT)):
        return True
    folded = _with_powers_folded(text.replace(r"\!", ""))
    return (
        folded is None
        or _levels_of_exponents(folded) > 2
        or any(pattern.search(folded) for pattern in (_HUGE_EXPONENT, _HUGE_FACTORIAL, _HUGE_BINOMIAL))
    )


def nesting(text: str) -> int:
    """Deepest level of open braces, brackets and parentheses."""
    depth = deepest = 0
    for character in text:
        if character in "{[(":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}])" and depth:
            depth -= 1
    return deepest


def _with_powers_folded(text: str) -> str | None:
    """Powers of integers replaced by their value from the inside out; None if one is too large.

    A power of more than 20 digits stays as 21 digits, which is too much for an exponent, a
    factorial or a binomial and harmless elsewhere.
    """
    while power := _POWER_OF_INTEGER.search(text):
        base, exponent = power[1], power[2] or power[3]
        if len(exponent) > 6 or len(base) * int(exponent) > LARGEST_POWER:
            return None
        small = len(base) * int(exponent) <= 20
        value = str(int(base) ** int(exponent)) if small else "9" * 21
        text = text[: power.start()] + value + text[power.end() :]
    return text


def _levels_of_exponents(text: str) -> int:
    """How deeply braced exponents stand inside one another."""
    raised: list[bool] = []
    level = deepest = 0
    after_caret = False
    for character in text:
        if character == "{":
            raised.append(after_caret)
            level += after_caret
            deepest = max(deepest, level)
        elif character == "}" and raised:
            level -= raised.pop()
        if character == "^":
            after_caret = True
            deepest = max(deepest, level + 1)
        elif not character.isspace():
            after_caret = False
    return deepest
