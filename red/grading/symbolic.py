"""Symbolic equivalence through math-verify. Imported by worker processes only.

math-verify stops itself with SIGALRM, so it fails outside a main thread; its timeout is no
`Exception`; and one long C call escapes every signal. Hence processes that can be killed.
"""

import logging
import re
from functools import lru_cache

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from latex2sympy2_extended.sets import FiniteSet
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from sympy import Basic, Eq, Expr, Float, MatrixBase, Rational

from red.grading import verdict
from red.grading.numeric import agree, same_zeros

logging.getLogger("math_verify").setLevel(logging.CRITICAL)

# Units are removed before: here `2 s` may be a product and must not lose its letter.
_NOTATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all", equations=False
)
_GOLD = (LatexExtractionConfig(normalization_config=_NOTATION),)
_ANSWER = (
    LatexExtractionConfig(normalization_config=_NOTATION, boxed_match_priority=0),
    ExprExtractionConfig(),
)
_WORD_INDEX = re.compile(
    r"_\s*\{\s*\\(?:(?:text|textrm|mathrm|mathit)\s*\{\s*(\w+)\s*\}|(max|min|sup|inf))\s*\}"
)
_INDEXED_CONSTANT = re.compile(r"(?<![\\A-Za-z])[EeIi](?=_)")
_RENAMED = {"E": r"\Xi", "e": r"\xi", "I": r"\Upsilon", "i": r"\upsilon"}
_NOT_NUMERIC = (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError, ValueError)


def equivalent(gold: str, answer: str) -> str:
    """Reason of the strict verdict: right, wrong, unparsed (answer) or data_error (gold)."""
    golds = _gold(gold)
    if not any(isinstance(part, Basic | MatrixBase) for part in golds):
        return verdict.DATA_ERROR
    answers = _parsed(f"\\boxed{{{_named(answer)}}}", _ANSWER)
    if not any(isinstance(part, Basic | MatrixBase) for part in answers):
        return verdict.UNPARSED
    agreed = _by_values(golds[0], answers[0])
    if agreed is None:
        agreed = _verified(golds, answers)
    return verdict.RIGHT if agreed else verdict.WRONG


def found_in(gold: str, text: str) -> str:
    """The lenient verdict: math-verify's own extraction from a text without a box."""
    golds = parse(f"${gold}$", parsing_timeout=None)
    answers = parse(text, parsing_timeout=None)
    return verdict.RIGHT if golds and answers and _verified(golds, answers) else verdict.WRONG


@lru_cache(maxsize=4_096)
def _gold(gold: str) -> tuple:
    return _parsed(f"${_named(gold)}$", _GOLD)


def _parsed(text: str, extraction: tuple) -> tuple:
    return tuple(exact(part) for part in parse(text, extraction, parsing_timeout=None))


def _named(text: str) -> str:
    r"""`\lambda_{\text{red}}` as `\lambda_{red}`; `E_1`, which is no Euler number, as another name."""
    text = _WORD_INDEX.sub(r"_{\1\2}", text.replace("$", ""))
    return _INDEXED_CONSTANT.sub(lambda constant: _RENAMED[constant[0]], text)


def _by_values(gold: Basic, answer: Basic) -> bool | None:
    """Numeric evidence; what the pieces of a one-sided equation mean is left to math-verify."""
    try:
        if isinstance(gold, Eq) and isinstance(answer, Eq):
            return same_zeros(gold.lhs - gold.rhs, answer.lhs - answer.rhs)
        if isinstance(gold, Expr) and isinstance(answer, Expr):
            return agree(gold, answer)
        if isinstance(gold, Eq) and isinstance(answer, Expr) and agree(gold.rhs, answer) is False:
            return False
        if isinstance(gold, Expr) and isinstance(answer, Eq) and agree(gold, answer.rhs) is False:
            return False
    except _NOT_NUMERIC:
        pass
    return None


def _verified(golds: tuple, answers: tuple) -> bool:
    return verify(
        gold=list(golds), target=list(answers), allow_set_relation_comp=True, timeout_seconds=None
    )


def exact(part: Basic | MatrixBase | str) -> Basic | MatrixBase | str:
    """Decimals as exact fractions: math-verify would round both sides to six places."""
    if isinstance(part, str) or not part.has(Float):
        return part
    if isinstance(part, FiniteSet):
        return FiniteSet(*map(exact, part._unsorted_args))
    return part.xreplace({decimal: Rational(str(decimal)) for decimal in part.atoms(Float)})
