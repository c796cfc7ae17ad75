r"""Sets of real numbers, written as intervals, inequalities or `\{x\mid x>3\}`, compared end by end."""

import math
import re
from dataclasses import dataclass
from functools import reduce

from red.grading.answers.estimate import estimate
from red.grading.answers.normalize import light
from red.grading.answers.numbers import number
from red.grading.answers.structure import same, split

LARGEST_END = 10**300
"""Ends beyond are not ordered."""

_NAME = r"(?:[A-Za-z]|\\(?:alpha|beta|theta|lambda|mu|phi|omega|epsilon|delta))(?:_(?:\w|\{\w+\}))?"
_SIGN = re.compile(r"[<>]|\\(?:[lg](?:e|eq|eqslant|t)|cup|in)(?![a-zA-Z])|\\(?:mid|vert)|\|")
_REWRITTEN = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])", ""),
        (r"\\text ?\{ ?(and|or) ?\}", r" \1 "),
        (r"\\(?:lor|vee|cup|bigcup)(?![a-zA-Z])", " or "),
        (r"\\(?:land|wedge|cap)(?![a-zA-Z])", " and "),
        (r"\\(?:leq|leqslant|le)(?![a-zA-Z])", "\u2264"),
        (r"\\(?:geq|geqslant|ge)(?![a-zA-Z])", "\u2265"),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
    )
]
_BUILDER = re.compile(
    rf"\\\{{ ?({_NAME}) ?(?:\\in ?\\mathbb ?(?:\{{ ?R ?\}}|R) ?)?(?:\\(?:mid|vert)(?![a-zA-Z])|\||:) ?(.*)\\\}}"
)
_MEMBER = re.compile(rf"({_NAME}) ?\\in(?![a-zA-Z]) ?(.*)")
_OR = re.compile(r"(?<![A-Za-z\\])or(?![A-Za-z])")
_AND = re.compile(r"(?<![A-Za-z\\])and(?![A-Za-z])")
_RELATION = re.compile(r"([<>\u2264\u2265=])")
_INFINITY = re.compile(r"([-+]?)\\infty")
_REVERSED = str.maketrans("<>\u2264\u2265", "><\u2265\u2264")


class _NoSet(ValueError):
    """The text is no set of real numbers that can be read here."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high`, with the ends where these are closed; an end is a light text or an infinite one."""

    low: str
    high: str
    has_low: bool
    has_high: bool

    def __str__(self) -> str:
        if self.low == self.high:
            return rf"\{{{self.low}\}}"
        return f"{'(['[self.has_low]}{self.low},{self.high}{')]'[self.has_high]}"


@dataclass(frozen=True, slots=True)
class RealSet:
    r"""A union of spans in ascending order; `name` is that of the variable, where the text has one.

    `is_built` says that the text is a set in set-builder notation, `\{x\mid x>3\}`.
    """

    spans: tuple[Span, ...]
    name: str = ""
    is_built: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether the set is more than points."""
        return any(span.low != span.high for span in self.spans)

    def __str__(self) -> str:
        return r"\cup ".join(map(str, self.spans))


def has_relation(text: str) -> bool:
    """Whether plain text may be a set by its signs."""
    return _SIGN.search(text) is not None


def real_set(text: str) -> RealSet | None:
    r"""Plain text such as `x<1 or x\ge 3`, `4>x>0` or `[0,1)\cup\{2\}` as a set; None for all else."""
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    if builder := _BUILDER.fullmatch(text.strip()):
        text = builder[2]
    try:
        pieces = [_piece(piece) for piece in _OR.split(text)]
        if len(pieces) == 1 and not pieces[0].spans and len(parts := split(text)) > 1 and not _AND.search(text):
            pieces = [_piece(part) for part in parts]
        names = {piece.name for piece in pieces if piece.name}
        if len(names) > 1:
            return None
        spans = _joined([span for piece in pieces for span in piece.spans])
    except _NoSet:
        return None
    return RealSet(spans, "" if builder else "".join(names), builder is not None) if spans else None


def same_set(gold: RealSet, answer: RealSet) -> bool | None:
    """Whether two sets are equal; None if only algebra can tell."""
    if gold.name and answer.name and gold.name != answer.name:
        return False
    if len(gold.spans) != len(answer.spans):
        return False
    verdicts = [_same_span(ours, theirs) for ours, theirs in zip(gold.spans, answer.spans, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def _same_span(ours: Span, theirs: Span) -> bool | None:
    if (ours.has_low, ours.has_high) != (theirs.has_low, theirs.has_high):
        return False
    verdicts = [same(ours.low, theirs.low), same(ours.high, theirs.high)]
    return False if False in verdicts else None if None in verdicts else True


def _piece(text: str) -> RealSet:
    """Relations that all hold: a chain, or several joined by `and` or commas."""
    text = text.strip()
    name = ""
    if member := _MEMBER.fullmatch(text):
        name, text = member[1], member[2].strip()
    if text.startswith(r"\{") and text.endswith(r"\}"):
        points = split(text[2:-2])
        return RealSet(tuple(Span(end, end, True, True) for end in map(_end, points)), name)
    if re.fullmatch(r"\\mathbb ?(?:\{ ?R ?\}|R)", text):
        return RealSet((Span(r"-\infty", r"\infty", False, False),), name)
    if (span := _interval(text)) is not None:
        return RealSet((span,), name)
    if name:
        raise _NoSet
    found = [_chain(part) for piece in _AND.split(text) for part in split(piece)]
    if len({named for named, _ in found}) != 1:
        raise _NoSet
    span = reduce(_intersection, (span for _, span in found))
    return RealSet((span,) if _is_open(span) else (), found[0][0])


def _interval(text: str) -> Span | None:
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]") or len(ends := split(text[1:-1])) != 2:
        return None
    span = Span(_end(ends[0]), _end(ends[1]), text[0] == "[", text[-1] == "]")
    if not _is_open(span):
        raise _NoSet
    return span


def _chain(text: str) -> tuple[str, Span]:
    """`-1<x<=2` or `x>3` as the name and its span."""
    parts = [part.strip() for part in _RELATION.split(text)]
    if len(parts) == 3 and re.fullmatch(_NAME, parts[2]):  # read from the right
        parts = [parts[2], parts[1].translate(_REVERSED), parts[0]]
    if len(parts) == 5 and parts[1] in ">\u2265":
        parts = [parts[4], parts[3].translate(_REVERSED), parts[2], parts[1].translate(_REVERSED), parts[0]]
    if len(parts) == 3 and re.fullmatch(_NAME, parts[0]):
        name, sign, end = parts[0], parts[1], _end(parts[2])
        if re.search(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])", end):
            raise _NoSet
        if sign == "=":
            return name, Span(end, end, True, True)
        is_closed = sign in "\u2264\u2265"
        return name, Span(r"-\infty", end, False, is_closed) if sign in "<\u2264" else Span(
            end, r"\infty", is_closed, False
        )
    if len(parts) == 5 and re.fullmatch(_NAME, parts[2]) and {parts[1], parts[3]} <= {"<", "\u2264"}:
        return parts[2], Span(_end(parts[0]), _end(parts[4]), parts[1] == "\u2264", parts[3] == "\u2264")
    raise _NoSet


def _end(text: str) -> str:
    end = light(text)
    if not end or _RELATION.search(end) or len(split(end)) > 1:
        raise _NoSet
    return rf"{infinity[1].replace('+', '')}\infty" if (infinity := _INFINITY.fullmatch(end)) else end


def _place(end: str) -> float:
    """Where an end lies, for order alone; NaN where that is unknown."""
    if infinity := _INFINITY.fullmatch(end):
        return -math.inf if infinity[1] == "-" else math.inf
    if exact := number(end):
        return float(exact.value) if abs(exact.value) < LARGEST_END else math.nan
    value = None if re.search(r"(?<![A-Za-z\\])[A-Za-z]", end) else estimate(end)
    return value.real if value is not None else math.nan


def _is_open(span: Span) -> bool:
    """Whether a span holds anything, as far as is known."""
    low, high = _place(span.low), _place(span.high)
    return not low > high and not (low == high and not (span.has_low and span.has_high))


def _intersection(one: Span, other: Span) -> Span:
    low, has_low = _inner(one.low, one.has_low, other.low, other.has_low, 1)
    high, has_high = _inner(one.high, one.has_high, other.high, other.has_high, -1)
    return Span(low, high, has_low, has_high)


def _inner(one: str, has_one: bool, other: str, has_other: bool, direction: int) -> tuple[str, bool]:
    here, there = _place(one) * direction, _place(other) * direction
    if here == -math.inf or there == -math.inf:
        return (other, has_other) if here == -math.inf else (one, has_one)
    if math.isnan(here - there):
        raise _NoSet
    if here == there:
        return one, has_one and has_other
    return (one, has_one) if here > there else (other, has_other)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in order, with those that overlap or touch made one."""
    if len(spans) < 2:
        return tuple(spans)
    if any(math.isnan(_place(span.low)) or math.isnan(_place(span.high)) for span in spans):
        raise _NoSet
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: (_place(span.low), not span.has_low, _place(span.high))):
        last = joined[-1] if joined else None
        gap = _place(span.low) - _place(last.high) if last else math.inf
        if last is None or gap > 0 or (gap == 0 and not (last.has_high or span.has_low)):
            joined.append(span)
        elif _place(span.high) > _place(last.high) or (span.high == last.high and span.has_high):
            joined[-1] = Span(last.low, span.high, last.has_low, span.has_high)
    return tuple(joined)
