r"""Chains such as `S = 3+4 = 7` or `\pi\approx 3.14`, and congruences."""

import re

from red.grading.answers.estimate import estimate
from red.grading.answers.normalize import light
from red.grading.answers.numbers import number

ROUNDED = 0.5001
"""Units of a decimal's last place by which what it approximates may differ."""

_OPENING, _CLOSING = {"(", "[", "{", r"\{"}, {")", "]", "}", r"\}"}
_SPACING = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\%", r"\|"}
_EQUALITY = re.compile(r"=|\\(?:approx|simeq|doteq) ?")
_BRACKET_OR_RELATION = re.compile(
    r"\\[^A-Za-z]|[\[\](){}=<>,;]"
    r"|\\(?:approx|simeq|doteq|[lg]e|ne|[lg]t|in|equiv|cong|sim|to|mapsto|Rightarrow|implies|iff)(?![a-zA-Z]) ?"
)
_VALUE_MACRO = re.compile(r"\\(?:frac|binom|sqrt|cdot|pi|sin|cos|tan|cot|sec|csc|ln|log|exp|div)(?![a-zA-Z])")
_UNKNOWN_MACRO = re.compile(rf"{_VALUE_MACRO.pattern}|\\(?:[lr]vert|[lr]floor|[lr]ceil|lg)(?![a-zA-Z])")
_INDEXED_UNKNOWN = re.compile(r"[xy][_'(]")
_EQUATION = re.compile(r"\d(?:\\cdot ?)?[A-Za-z]|[A-Za-z]\^|[A-Za-z)][-+]\d")
_PLACES = re.compile(r"-?\d*?(0*)(?:\.(\d+))?(?:\\cdot10\^\{?([-+]?\d+)\}?)?")
_NAMED = r"(?:[A-Za-z](?:_\w)?(?:\\equiv|=))"
_CONGRUENCE = re.compile(rf"{_NAMED}?((?:-?\d{{1,30}},)*-?\d{{1,30}})(?:\\[pb]?mod|\(\\?mod)\{{?(\d{{1,30}})\}}?\)?")


def stated(text: str) -> list[str]:
    r"""The members of a chain that may be the answer, the likeliest first; none if it is false.

    `m+n=5+12=17` states 17, `\pi\approx 3.14` states 3.14 or the exact value before it, `8=7` nothing. Numbers
    must be equal, or rounded to the last place shown. An equation `2x-4=0` states no zero, `|x|=5` no x.
    """
    chain = _chain(text) if _EQUALITY.search(text) else []
    if len(chain) < 2:
        return [text]
    known = [(sign, member, value) for sign, member in chain if (value := _value(member)) is not None]
    for (_, _, before), (sign, member, after) in zip(known, known[1:], strict=False):
        if abs(before - after) > _tolerance(sign, member, after):
            return []
    (_, other), (sign, last) = chain[-2:]
    if _value(last) == 0 and any(_EQUATION.search(member) for _, member in chain[:-1]):
        return []
    if _value(last) is not None and _is_unsolved(chain[0][1]):
        return []
    is_rounded = sign != "=" or "." in last
    return [last, other] if is_rounded and (len(chain) > 2 or _value(other) is not None) else [last]


def same_congruence(gold: str, answer: str) -> bool | None:
    r"""Whether two light texts such as `x\equiv4\pmod{9}` name the same residues; None if the gold is no congruence."""
    ours, theirs = _CONGRUENCE.fullmatch(gold), _CONGRUENCE.fullmatch(answer)
    if not ours or not re.match(_NAMED, gold):
        return None
    return theirs is not None and int(ours[2]) == int(theirs[2]) and _residues(ours) == _residues(theirs)


def _residues(congruence: re.Match[str]) -> set[int]:
    modulus = int(congruence[2])
    return {int(residue) % modulus if modulus else int(residue) for residue in congruence[1].split(",")}


def _chain(text: str) -> list[tuple[str, str]]:
    """Members with the sign before each, of a text whose only relations outside brackets are `=` and approximations."""
    chain: list[tuple[str, str]] = []
    depth, start, sign = 0, 0, ""
    for match in _BRACKET_OR_RELATION.finditer(text):
        mark = match[0]
        if mark in _SPACING:
            continue
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and not _EQUALITY.fullmatch(mark):
            return [("", text)]
        elif depth == 0:
            chain.append((sign, text[start : match.start()]))
            start, sign = match.end(), mark
    chain.append((sign, text[start:]))
    return chain if all(member.strip() for _, member in chain) else [("", text)]


def _is_unsolved(member: str) -> bool:
    """Whether a member is a formula of one unknown, x or y; other letters, `x_1` and `x(3)` may name what is asked."""
    text = light(member)
    letters = set(re.findall(r"\\?[A-Za-z]", _UNKNOWN_MACRO.sub("", text))) - {"e"}
    return letters in ({"x"}, {"y"}) and text.strip("(){}") not in letters and not _INDEXED_UNKNOWN.search(text)


def _value(member: str) -> float | None:
    """The value of a member without names."""
    member = light(member)
    if re.search(r"[A-Za-z]", _VALUE_MACRO.sub("", member)):
        return None
    try:
        if exact := number(member):
            return float(exact.value) / (100 if exact.is_percent else 1)
    except OverflowError:
        return None
    value = estimate(member)
    return value.real if value is not None and abs(value.imag) < 1e-12 else None


def _tolerance(sign: str, member: str, value: float) -> float:
    """How far the number before `member` may be from it: half of the last place that a rounded number shows."""
    place = _PLACES.fullmatch(light(member))
    decimals = len(place[2] or "") if place else 0
    if not place or (sign == "=" and decimals < 2):
        return 1e-9 * abs(value)
    zeros = 0 if place[2] else len(place[1])
    return min(ROUNDED * 10.0 ** (zeros - decimals + int(place[3] or 0)), 0.1 * abs(value))
