"""Exact values of plain numbers. Never floats: 2.88e-19 is not 2.97e-19."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

LARGEST_EXPONENT = 10_000
"""Powers of ten beyond this are not expanded."""

LONGEST_NUMBER = 2_000
"""Characters of a plain number; Python itself refuses to convert more than 4,300 digits."""

_SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_SMALL += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MAGNITUDES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_FUNCTIONS: dict[str, Callable[..., int]] = {"gcd": math.gcd, "lcm": math.lcm, "max": max, "min": min}
_DECIMAL = r"\d+(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)"
    rf"(?:(?:(?P<whole>\d+)\x00?)?\\frac\{{(?P<top>-?(?:{_DECIMAL}))\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|(?:(?P<units>\d+)\x00)?(?P<above>{_DECIMAL})/(?P<below>{_DECIMAL})"
    rf"|(?P<decimal>{_DECIMAL})(?:\\cdot10\^(?:\{{(?P<braced>[-+]?\d+)\}}|(?P<bare>[-+]?\d+)))?"
    r"|10\^(?:\{(?P<power>[-+]?\d+)\}|(?P<digit>\d))"
    r"|\\?(?P<function>gcd|lcm|max|min)\((?P<arguments>-?\d+(?:,-?\d+)+)\)"
    r"|(?P<dividend>\d+)\\b?mod\{?(?P<modulus>\d+)\}?"
    rf"|(?P<word>{'|'.join(_SMALL)}|(?:{'|'.join(_TENS)})-?(?:{'|'.join(_SMALL[1:10])})?))"
    rf"(?P<percent>%?)(?P<magnitude>(?:{'|'.join(_MAGNITUDES)})*)",
    re.IGNORECASE,
)


_MAGNITUDE = re.compile("|".join(_MAGNITUDES), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value; `is_percent` says that a percent sign stood behind it."""

    value: Fraction
    is_percent: bool = False

    def equals(self, other: "Number") -> bool:
        """Equal values. A percentage equals its ratio (25 % is 1/4) and, above one, its count (25 % is 25)."""
        if self.is_percent == other.is_percent:
            return self.value == other.value
        percent, bare = (self, other) if self.is_percent else (other, self)
        return percent.value == bare.value * 100 or (percent.value == bare.value and abs(bare.value) > 1)


def number(text: str) -> Number | None:
    r"""The value of lightly normalized text that is one plain number, else None.

    Integers, decimals, `a/b`, `\frac{a}{b}`, mixed numbers, `a\bmod b`, `\gcd(a,b)`, all with an optional sign,
    power of ten, percent sign, or `hundred` to `trillion` behind it; English number words from zero to ninety-nine.
    None for a zero denominator and for exponents too large to expand.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST_NUMBER else None
    if match is None:
        return None
    value = _magnitude(match)
    if value is None:
        return None
    for word in _MAGNITUDE.findall(match["magnitude"]):
        value *= 10 ** _MAGNITUDES[word.lower()]
    return Number(-value if match["sign"] == "-" else value, bool(match["percent"]))


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        return _scaled(match["decimal"], match["braced"] or match["bare"] or "0")
    if match["word"]:
        return Fraction(_spelled(match["word"].lower()))
    if match["function"]:
        return Fraction(_FUNCTIONS[match["function"].lower()](*map(int, match["arguments"].split(","))))
    if match["modulus"]:
        return Fraction(int(match["dividend"]) % int(match["modulus"])) if int(match["modulus"]) else None
    if match["power"] or match["digit"]:
        return _scaled("1", match["power"] or match["digit"])
    top = _decimal(match["top"] or match["above"])
    bottom = _decimal(match["bottom"] or match["below"])
    whole = int(match["whole"] or match["units"] or 0)
    if bottom == 0 or (whole and top < 0):
        return None
    return whole + top / bottom


def _spelled(word: str) -> int:
    for tens, name in enumerate(_TENS, start=2):
        if word.startswith(name):
            return 10 * tens + _SMALL.index(word.removeprefix(name).strip("-") or "zero")
    return _SMALL.index(word)


def _scaled(decimal: str, exponent: str) -> Fraction | None:
    if len(exponent) > 6 or abs(int(exponent)) > LARGEST_EXPONENT:
        return None
    return _decimal(decimal) * Fraction(10) ** int(exponent)


def _decimal(text: str) -> Fraction:
    return Fraction(text.removesuffix("."))
