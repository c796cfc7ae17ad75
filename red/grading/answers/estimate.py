"""Plain formulas evaluated in floating point: enough to refute most wrong answers without algebra.

Understands numbers, names, pi, e, i, sums, products, fractions, roots, powers and a few functions. Every
name stands for a fixed positive number. A formula with anything else, anything ambiguous (`a/bc`,
`2\\frac13`), or a value that rounding or the choice of a branch might have spoiled, has no estimate.
"""

import cmath
import math
import re
import zlib

TOLERANCE = 1e-6
LARGEST_FACTORIAL = 100
CANCELLATION = 1e3
"""How much larger than their sum the terms of a sum may be; likewise exponents and arguments."""

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\\[A-Za-z]+|[A-Za-z]|[-+/^_(){}\[\]!]")
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega)",
    re.IGNORECASE,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_CONSTANTS = {r"\pi": math.pi, "e": math.e, "i": 1j}
_FUNCTIONS = {rf"\{name}": getattr(cmath, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")} | {
    r"\ln": cmath.log
}
_UNCLEAR = {"E", "I"}  # a name, or a constant in capitals


def differ(gold: str, answer: str) -> bool:
    """Whether two lightly normalized formulas surely have different values."""
    a, b = estimate(gold), estimate(answer)
    return a is not None and b is not None and abs(a - b) > TOLERANCE * max(abs(a), abs(b))


def estimate(text: str) -> complex | None:
    """The value of a formula, or None."""
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text.replace(" ", "")):
        return None
    formula = _Formula(tokens)
    try:
        value = formula.sum()
    except (ArithmeticError, ValueError):
        return None
    return value if cmath.isfinite(value) and not formula.next else None


class _Formula:
    """Recursive descent over the tokens of a formula; ValueError where it cannot go on."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def next(self) -> str:
        """The token ahead; empty at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def sum(self) -> complex:
        """Products joined by + and -."""
        terms = [self._sign() * self._product()]
        while self.next in ("+", "-"):
            terms.append(self._sign() * self._product())
        total = sum(terms)
        if max(map(abs, terms)) > CANCELLATION * abs(total):
            raise ValueError("lost to rounding")
        return total

    def _sign(self) -> int:
        return {"+": 1, "-": -1}[self._take()] if self.next in ("+", "-") else 1

    def _product(self) -> complex:
        value = self._power()
        divided = False
        while self.next and self.next not in "+-)]}":
            if divided and self.next not in ("/", r"\cdot"):
                raise ValueError("a/bc")
            divided = self.next == "/"
            if self.next in ("/", r"\cdot"):
                self._take()
            factor = self._power()
            value = value / factor if divided else value * factor
        return value

    def _power(self) -> complex:
        if self.next in _FUNCTIONS:
            return self._function()
        base = self._atom()
        if self.next == "!":
            base = self._factorial(base)
        return self._raised(base, self._exponent()) if self.next == "^" else base

    def _factorial(self, base: complex) -> complex:
        self._take()
        if base not in range(LARGEST_FACTORIAL) or self.next == "!":
            raise ValueError("no integer, too large, or n!!")
        return complex(math.factorial(int(base.real)))

    def _exponent(self) -> complex:
        self._take()
        exponent = self._atom() if self.next == "{" or len(self.next) == 1 else None
        if exponent is None or self.next == "^":
            raise ValueError("x^10 or x^y^z")
        return exponent

    def _function(self) -> complex:
        r"""`\sin(2t)`, `\sin^2 t`, `\sin 2t`: without brackets, the names and numbers that follow."""
        function = _FUNCTIONS[self._take()]
        exponent = self._exponent() if self.next == "^" else 1
        argument = self._atom()
        if self._tokens[self._position - 1] not in (")", "}"):
            while self.next.isalnum() or _GREEK.fullmatch(self.next):
                argument *= self._power()
        if self.next == "^" or exponent == -1 or abs(argument) > CANCELLATION:
            raise ValueError("more than one meaning, or too large")
        if function is cmath.log and (argument.imag or argument.real <= 0):
            raise ValueError("more than one branch")
        return self._raised(function(argument), exponent)

    def _raised(self, base: complex, exponent: complex) -> complex:
        if abs(exponent) > CANCELLATION:
            raise ValueError("too large")
        if exponent != int(exponent.real) and (base.imag or base.real <= 0):
            raise ValueError("more than one branch")
        return base**exponent

    def _atom(self) -> complex:
        token = self._take()
        if token[0].isdigit():
            if self.next == r"\frac":
                raise ValueError("a mixed number or a product")
            return complex(float(token))
        if token in _CLOSING:
            value = self.sum()
            self._expect(_CLOSING[token])
            return value
        if token == r"\frac":
            above, below = self._braced(), self._braced()
            return above / below
        if token == r"\binom":
            above, below = self._braced(), self._braced()
            if above not in range(LARGEST_FACTORIAL) or below not in range(LARGEST_FACTORIAL):
                raise ValueError("no integers, or too large")
            return complex(math.comb(int(above.real), int(below.real)))
        if token == r"\sqrt":
            index = self._atom() if self.next == "[" else 2
            return self._raised(self._braced(), 1 / index)
        return complex(self._name(token))

    def _braced(self) -> complex:
        if self.next != "{":
            raise ValueError("an argument without braces")
        return self._atom()

    def _name(self, token: str) -> complex:
        """A constant, or the fixed number that a name stands for; case is ignored, as in math-verify."""
        index = ""
        if self.next == "_":
            self._take()
            index = self._take()
            while index[0] == "{" and index[-1] != "}":
                index += self._take()
        elif token in _CONSTANTS:
            return _CONSTANTS[token]
        is_name = token.isalpha() or _GREEK.fullmatch(token)
        if not is_name or (token in _UNCLEAR and not index):
            raise ValueError(token)
        return 0.5 + 2 * zlib.crc32(f"{token}{index}".lower().encode()) / 2**32

    def _take(self) -> str:
        if not self.next:
            raise ValueError("unexpected end")
        self._position += 1
        return self._tokens[self._position - 1]

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise ValueError(token)
