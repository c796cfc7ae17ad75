"""Strategies of answers with an exact value and of the ways to write and dress them."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from red.grading.math import grade_math
from red.grading.verdict import Verdict

Writing = Callable[[Fraction], str | None]


def decided(gold: str, answer: str) -> bool | None:
    """The strict verdict on a boxed answer as far as no algebra is needed."""
    found = grade_math(f"The answer is $\\boxed{{{answer}}}$.", gold)
    return found.correct if isinstance(found, Verdict) else None


@dataclass(frozen=True)
class Number:
    """A value and two of its notations."""

    value: Fraction
    gold: str
    answer: str


def _sign(value: Fraction) -> str:
    return "-" if value < 0 else ""


def _decimal(value: Fraction) -> str | None:
    for places in range(7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return _sign(value) + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    return None


def _scientific(value: Fraction) -> str | None:
    decimal = _decimal(value)
    return None if decimal is None else _decimal(value / 1000) and rf"{_decimal(value / 1000)} \times 10^{{3}}"


def _thousands(separator: str) -> Writing:
    def write(value: Fraction) -> str | None:
        return f"{value.numerator:,}".replace(",", separator) if value.denominator == 1 and abs(value) >= 1000 else None

    return write


def _mixed(value: Fraction) -> str | None:
    whole, rest = divmod(abs(value), 1)
    return rf"{_sign(value)}{whole}\frac{{{rest.numerator}}}{{{rest.denominator}}}" if whole and rest else None


def _repeating(value: Fraction) -> str | None:
    if 9 % value.denominator or value.denominator == 1:
        return None
    whole, rest = divmod(abs(value), 1)
    return rf"{_sign(value)}{whole}.\overline{{{(rest * 9).numerator}}}"


WRITINGS: tuple[Writing, ...] = (
    _decimal,
    _scientific,
    _mixed,
    _repeating,
    _thousands(","),
    _thousands("{,}"),
    _thousands(r"\,"),
    _thousands(" "),
    lambda value: rf"{_sign(value)}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}",
    lambda value: rf"{_sign(value)}\dfrac{{{2 * abs(value.numerator)}}}{{{2 * value.denominator}}}",
    lambda value: f"{value.numerator}/{value.denominator}",
    lambda value: rf"{_sign(value)}\nicefrac{{{abs(value.numerator)}}}{{{value.denominator}}}",
)
VALUES = st.one_of(
    st.integers(-(10**7), 10**7).map(Fraction),
    st.builds(Fraction, st.integers(-5000, 5000), st.sampled_from([2, 3, 4, 5, 8, 9, 10, 100])),
)


def written(value: Fraction) -> st.SearchStrategy[str]:
    """Any notation of a value."""
    return st.sampled_from([text for write in WRITINGS if (text := write(value)) is not None])


NUMBERS = VALUES.flatmap(lambda value: st.builds(Number, st.just(value), written(value), written(value)))

DRESSES = (
    "{}",
    "${}$",
    r"\({}\)",
    r"\text{{The value is }} {}",
    r"\textbf{{Answer:}} {}",
    "答案：{}",
    r"x = {}",
    r"\text{{Area}} = {}",
    r"{{\bf {}}}",
    r"\mathbf{{{}}}",
    r"\textcolor{{blue}}{{{}}}",
    r"{{\color{{red}} {}}}",
    r"\underline{{{}}}",
    r"\boxed{{{}}}",
    r"\displaystyle {}",
    r"{{\Large {}}}",
    r"\quad {} \;",
    r"\hspace{{2mm}}{}",
    "{}.",
    "{}。",
    "**{}**",
    r"\left( {} \right)",
    r"\begin{{aligned}} x &= {} \end{{aligned}}",
    r"{} \text{{ (exactly)}}",
    r"{},\ \text{{where }} n = 3",
)
"""What surrounds an answer without changing it."""

UNITS = (
    "",
    r"\text{ cm}",
    r"\ \mathrm{m/s^2}",
    r"\,\mathrm{kg\,m^{-3}}",
    r"\text{ apples}",
    r"\ \frac{\text{mi}}{\text{h}}",
    " 厘米",
)
