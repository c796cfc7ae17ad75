"""Two expressions refuted at random points, which spares most wrong answers the algebra.

A difference at one point refutes equality. Agreement proves nothing here; it is left to algebra.
"""

import random
from itertools import product

from sympy import Abs, Expr, I, Mod, Rational, Symbol, ceiling, floor, sign, simplify
from sympy.core.function import AppliedUndef, Derivative
from sympy.functions.combinatorial.factorials import CombinatorialFunction

POINTS = 3
MOST_SYMBOLS = 4
DIGITS = 40
TOLERANCE = Rational(1, 10**20)
_STEPS = (floor, ceiling, Mod, Abs, sign, CombinatorialFunction)


def differ(gold: Expr, answer: Expr) -> bool:
    """Whether two expressions have different values somewhere."""
    gold, answer = _opaque(gold), _opaque(answer)
    if gold.has(*_STEPS) or answer.has(*_STEPS):  # meant for integers, which the points are not
        return False
    for point in _points(gold.free_symbols | answer.free_symbols):
        ours, theirs = _value(gold, point), _value(answer, point)
        if ours is not None and theirs is not None and not _are_close(ours, theirs):
            return True
    return False


def same_where_real(gold: Expr, answer: Expr) -> bool:
    r"""Whether two expressions agree wherever the gold is real, as `1/\sqrt{n}` and `\sqrt{1/n}` do.

    Positive symbols are left to algebra, other signs to points: `|x|` is not `x`. In constants `i` is the
    imaginary unit: `e^{i\pi}`.
    """
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if {symbol.name for symbol in symbols} == {"i"}:
        difference = gold - answer
        return bool(simplify(difference.xreplace(dict.fromkeys(symbols, I))) == 0)
    if not 0 < len(symbols) <= MOST_SYMBOLS or any(symbol.name == "i" for symbol in symbols):
        return False
    point = _points(set(symbols))[0]
    for signs in product((1, -1), repeat=len(symbols)):
        signed = {symbol: sign * point[symbol] for symbol, sign in zip(symbols, signs, strict=True)}
        ours, theirs = _value(gold, signed), _value(answer, signed)
        if ours is not None and ours.is_real and (theirs is None or not _are_close(ours, theirs)):
            return False
    positive = {symbol: Symbol(symbol.name, positive=True) for symbol in symbols}
    return bool(simplify(gold.xreplace(positive) - answer.xreplace(positive)) == 0)


def zeros_differ(gold: Expr, answer: Expr) -> bool:
    """Whether `gold = 0` and `answer = 0` are different equations.

    Needs a common variable in which one is affine; its zero is put into the other.
    """
    gold, answer = _opaque(gold), _opaque(answer)
    if gold.has(*_STEPS) or answer.has(*_STEPS):
        return False
    if not gold.free_symbols or not answer.free_symbols:
        return bool(gold != answer)
    points = _points(gold.free_symbols | answer.free_symbols)
    return any(
        _misses_zero(first, second, variable, point)
        for variable in sorted(gold.free_symbols & answer.free_symbols, key=str)
        for point in points
        for first, second in ((gold, answer), (answer, gold))
    )


def _misses_zero(first: Expr, second: Expr, variable: Symbol, point: dict[Symbol, Expr]) -> bool:
    """Whether `second` does not vanish where `first` does; False if `first` is not affine."""
    a, b, c = (_value(first, point | {variable: Rational(k)}) for k in (1, 2, 3))
    if a is None or b is None or c is None or a == b or not _are_close(c - b, b - a):
        return False
    zero = 1 - a / (b - a)
    value = _value(second, point | {variable: zero})
    neighbor = _value(second, point | {variable: zero + 1})
    if value is None or neighbor is None:
        return False
    return bool(abs(value) > TOLERANCE * max(1, abs(neighbor)))


def _opaque(expression: Expr) -> Expr:
    """Unknown functions and derivatives as symbols of their own."""
    while unknown := expression.atoms(Derivative) or expression.atoms(AppliedUndef):
        expression = expression.xreplace({part: Symbol(str(part)) for part in unknown})
    return expression


def _points(symbols: set[Symbol]) -> list[dict[Symbol, Expr]]:
    """Positive values, equal for equal names whatever their assumptions; `i` is imaginary."""
    stream = random.Random(0)
    names = sorted({symbol.name for symbol in symbols})
    points = []
    for _ in range(POINTS):
        value = {name: Rational(stream.randrange(300, 2700), 1009) for name in names} | {"i": I}
        points.append({symbol: value[symbol.name] for symbol in symbols})
    return points


def _value(expression: Expr, point: dict[Symbol, Expr]) -> Expr | None:
    """Value with DIGITS digits; None if it is not a finite number."""
    value = expression.xreplace(point).doit().evalf(DIGITS)
    parts = value.as_real_imag() if value.has(I) else (value,)
    is_number = all(part.is_Float or part.is_Rational for part in parts)
    return value if is_number and value.is_finite else None


def _are_close(a: Expr, b: Expr) -> bool:
    return bool(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)))
