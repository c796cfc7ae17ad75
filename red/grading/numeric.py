"""Two expressions compared at a few random points: most answers need no algebra.

A difference at one point refutes equality. Agreement at all of them proves it for analytic
expressions with a variable; constants and step functions are left to algebra.
"""

import random

from sympy import Abs, Expr, I, Mod, Rational, Symbol, ceiling, floor, sign
from sympy.core.function import AppliedUndef, Derivative
from sympy.functions.combinatorial.factorials import CombinatorialFunction

POINTS = 3
DIGITS = 40
_STEPS = (floor, ceiling, Mod, Abs, sign, CombinatorialFunction)


def agree(gold: Expr, answer: Expr) -> bool | None:
    """Whether two expressions have the same values; None where values cannot tell."""
    gold, answer = _opaque(gold), _opaque(answer)
    if gold.has(*_STEPS) or answer.has(*_STEPS):
        return None
    symbols = gold.free_symbols | answer.free_symbols
    if not symbols:
        return None if _are_close(_value(gold, {}), _value(answer, {})) in (True, None) else False
    closeness = [
        _are_close(_value(gold, point), _value(answer, point)) for point in _points(symbols)
    ]
    return False if False in closeness else None if None in closeness else True


def same_zeros(gold: Expr, answer: Expr) -> bool | None:
    """Whether `gold = 0` and `answer = 0` are one equation; None where values cannot tell.

    Needs a common variable in which each is affine: the zero of one is put into the other.
    """
    gold, answer = _opaque(gold), _opaque(answer)
    if gold.has(*_STEPS) or answer.has(*_STEPS):
        return None
    for variable in sorted(gold.free_symbols & answer.free_symbols, key=str):
        found = [
            _vanishes_with(first, second, variable, point)
            for point in _points(gold.free_symbols | answer.free_symbols)
            for first, second in ((gold, answer), (answer, gold))
        ]
        if None not in found:
            return all(found)
    return None


def _vanishes_with(first: Expr, second: Expr, variable: Symbol, point: dict) -> bool | None:
    at = [_value(first, point | {variable: Rational(k)}) for k in (1, 2, 3)]
    if None in at or at[0] == at[1] or not _are_close(at[2] - at[1], at[1] - at[0]):
        return None
    zero = 1 - at[0] / (at[1] - at[0])
    value = _value(second, point | {variable: zero})
    beside = _value(second, point | {variable: zero + 1})
    if value is None or beside is None:
        return None
    return abs(value) < 10 ** (-DIGITS // 2) * max(1, abs(beside))


def _opaque(expression: Expr) -> Expr:
    """Unknown functions and derivatives as symbols of their own."""
    unknown = expression.atoms(Derivative) or expression.atoms(AppliedUndef)
    while unknown:
        expression = expression.xreplace({part: Symbol(str(part)) for part in unknown})
        unknown = expression.atoms(Derivative) or expression.atoms(AppliedUndef)
    return expression


def _points(symbols: set[Symbol]) -> list[dict[Symbol, Rational]]:
    """The same positive points for the same names, whatever their assumptions."""
    stream = random.Random(0)
    names = sorted({symbol.name for symbol in symbols})
    points = []
    for _ in range(POINTS):
        value = {name: Rational(stream.randrange(300, 2700), 1009) for name in names}
        points.append({symbol: value[symbol.name] for symbol in symbols})
    return points


def _value(expression: Expr, point: dict[Symbol, Rational]) -> Expr | None:
    """Value with DIGITS digits; None if it is not a finite number."""
    value = expression.xreplace(point).doit().evalf(DIGITS)
    parts = value.as_real_imag() if value.has(I) else (value,)
    return value if value.is_finite and all(part.is_Float or part.is_Rational for part in parts) else None


def _are_close(a: Expr | None, b: Expr | None) -> bool | None:
    if a is None or b is None:
        return None
    return bool(abs(a - b) <= 10 ** (-DIGITS // 2) * max(abs(a), abs(b)))
