"""Exact values of plain numbers. Never floats: 2.88e-19 is not 2.97e-19."""

import re
from dataclasses import dataclass
from fractions import Fraction

LARGEST_EXPONENT = 10_000
"""Powers of ten beyond this are not expanded."""

LONGEST_NUMBER = 2_000
"""Characters of a plain number; Python itself refuses to convert more than 4,300 digits."""

_DECIMAL = r"\d+(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)"
    rf"(?:(?:(?P<whole>\d+)\x00?)?\\frac\{{(?P<top>-?(?:{_DECIMAL}))\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|(?:(?P<units>\d+)\x00)?(?P<above>{_DECIMAL})/(?P<below>{_DECIMAL})"
    rf"|(?P<decimal>{_DECIMAL})(?:\\cdot10\^(?:\{{(?P<braced>[-+]?\d+)\}}|(?P<bare>[-+]?\d+)))?"
    r"|10\^(?:\{(?P<power>[-+]?\d+)\}|(?P<digit>\d)))"
    r"(?P<percent>%?)"
)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value; `is_percent` says that a percent sign stood behind it."""

    value: Fraction
    is_percent: bool = False

    def equals(self, other: "Number") -> bool:
        """Equal values. A percentage equals its count (25 % is 25) and its ratio (25 % is 1/4)."""
        if self.value == other.value:
            return True
        if self.is_percent == other.is_percent:
            return False
        percent, bare = (self, other) if self.is_percent else (other, self)
        return percent.value == bare.value * 100


def number(text: str) -> Number | None:
    r"""The value of lightly normalized text that is one plain number, else None.

    Integers, decimals, `a/b`, `\frac{a}{b}`, mixed numbers, all with an optional sign, power of
    ten or percent sign. None for a zero denominator and for exponents too large to expand.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST_NUMBER else None
    if match is None:
        return None
    value = _magnitude(match)
    if value is None:
        return None
    return Number(-value if match["sign"] == "-" else value, bool(match["percent"]))


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        return _scaled(match["decimal"], match["braced"] or match["bare"] or "0")
    if match["power"] or match["digit"]:
        return _scaled("1", match["power"] or match["digit"])
    top = _decimal(match["top"] or match["above"])
    bottom = _decimal(match["bottom"] or match["below"])
    whole = int(match["whole"] or match["units"] or 0)
    if bottom == 0 or (whole and top < 0):
        return None
    return whole + top / bottom


def _scaled(decimal: str, exponent: str) -> Fraction | None:
    if len(exponent) > 6 or abs(int(exponent)) > LARGEST_EXPONENT:
        return None
    return _decimal(decimal) * Fraction(10) ** int(exponent)


def _decimal(text: str) -> Fraction:
    return Fraction(text.removesuffix("."))
