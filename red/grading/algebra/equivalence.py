"""Symbolic equivalence through math-verify. Imported by worker processes only.

math-verify stops itself with SIGALRM, so it fails outside a main thread; its timeout is no
`Exception`; and one long C call escapes every signal. Hence processes that can be killed.
"""

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from latex2sympy2_extended.sets import FiniteSet
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, Eq, Expr, Float, MatrixBase, Pow, Rational, exp

from red.grading import verdict
from red.grading.algebra.refutation import differ, same_where_real, zeros_differ

logging.getLogger("math_verify").setLevel(logging.CRITICAL)

# Units are removed before: here `2 s` may be a product and must not lose its letter.
_NOTATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all", equations=False
)
# No expression extraction: from an answer that does not parse it would pick some number.
Part: TypeAlias = Basic | MatrixBase | str
_GOLD = (LatexExtractionConfig(normalization_config=_NOTATION),)
_ANSWER = (LatexExtractionConfig(normalization_config=_NOTATION, boxed_match_priority=0),)
_WORD_INDEX = re.compile(r"_\s*\{\s*\\(?:(?:text|textrm|mathrm|mathit)\s*\{\s*(\w+)\s*\}|(max|min|sup|inf))\s*\}")
_INDEXED_CONSTANT = re.compile(r"(?<![\\A-Za-z])[EeIi](?=_)")
_RENAMED = {"E": r"\Xi", "e": r"\xi", "I": r"\Upsilon", "i": r"\upsilon"}
_MACRO = re.compile(r"\\(?:text|mathrm|mbox|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_SPARE_NAMES = (r"\Psi", r"\Omega", r"\Theta", r"\Lambda", r"\Gamma", r"\Sigma")
_NOT_NUMERIC = (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError, ValueError)


def equivalent(gold: str, answer: str) -> str:
    """Reason of the strict verdict: right, wrong, unparsed (answer) or data_error (gold)."""
    capitals = _ambiguous(gold) | _ambiguous(answer)
    golds = _parsed_gold(_with_distinct_names(gold, capitals))
    if not any(isinstance(part, Basic | MatrixBase) for part in golds):
        return verdict.DATA_ERROR
    answers = _parsed(f"\\boxed{{{_with_distinct_names(answer, capitals)}}}", _ANSWER)
    if not any(isinstance(part, Basic | MatrixBase) for part in answers):
        return verdict.UNPARSED
    if _is_refuted(golds[0], answers[0]):
        return verdict.WRONG
    agreed = _verified(golds, answers) or _are_roots_alike(golds[0], answers[0])
    return verdict.RIGHT if agreed else verdict.WRONG


def equivalent_in_text(gold: str, text: str) -> str:
    """The lenient verdict: math-verify's own extraction from a text without a box."""
    golds, answers = _parsed_usual(gold), parse(text, parsing_timeout=None)
    return verdict.RIGHT if golds and answers and _verified(golds, answers) else verdict.WRONG


@lru_cache(maxsize=4_096)
def _parsed_gold(gold: str) -> tuple[Part, ...]:
    return _parsed(f"${gold}$", _GOLD)


@lru_cache(maxsize=4_096)
def _parsed_usual(gold: str) -> list[Part]:
    parts: list[Part] = parse(f"${gold}$", parsing_timeout=None)
    return parts


def _parsed(text: str, extraction: tuple[LatexExtractionConfig, ...]) -> tuple[Part, ...]:
    return tuple(exact(part) for part in parse(text, extraction, parsing_timeout=None))


def _ambiguous(text: str) -> frozenset[str]:
    """Capitals that stand beside their own small letter: math-verify ignores case."""
    letters = set(_MACRO.sub(" ", text))
    return frozenset(letter for letter in letters if letter.isupper() and letter.lower() in letters)


def _with_distinct_names(text: str, capitals: frozenset[str]) -> str:
    r"""Names that math-verify can tell apart.

    `\lambda_{\text{red}}` becomes `\lambda_{red}`; ambiguous capitals become Greek ones, and so does
    `E_1`, which is no Euler number.
    """
    text = _WORD_INDEX.sub(r"_{\1\2}", text.replace("$", ""))
    text = _INDEXED_CONSTANT.sub(lambda constant: _RENAMED[constant[0]], text)
    for capital, name in zip(sorted(capitals), _SPARE_NAMES, strict=False):
        parts = re.split(r"(\\[A-Za-z]+)", text)  # every second one is a macro
        parts[::2] = [part.replace(capital, f"{name} ") for part in parts[::2]]
        text = "".join(parts)
    return text


def _is_refuted(gold: Basic, answer: Basic) -> bool:
    """Whether values at some point settle that the answer is wrong.

    As in math-verify, an equation against an expression stands for its right side.
    """
    try:
        if isinstance(gold, Eq) and isinstance(answer, Eq):
            return zeros_differ(gold.lhs - gold.rhs, answer.lhs - answer.rhs)
        gold = gold.rhs if isinstance(gold, Eq) else gold
        answer = answer.rhs if isinstance(answer, Eq) else answer
        return isinstance(gold, Expr) and isinstance(answer, Expr) and differ(gold, answer)
    except _NOT_NUMERIC:
        return False


def _are_roots_alike(gold: Part, answer: Part) -> bool:
    """Whether two expressions with roots or powers agree wherever the gold is real, or as complex constants."""
    try:
        return (
            isinstance(gold, Expr)
            and isinstance(answer, Expr)
            and (gold.has(Pow) or answer.has(Pow, exp))
            and same_where_real(gold, answer)
        )
    except _NOT_NUMERIC:
        return False


def _verified(golds: Iterable[Part], answers: Iterable[Part]) -> bool:
    return bool(verify(gold=list(golds), target=list(answers), allow_set_relation_comp=True, timeout_seconds=None))


def exact(part: Part) -> Part:
    """Decimals as exact fractions: math-verify would round both sides to six places."""
    if isinstance(part, str) or not part.has(Float):
        return part
    if isinstance(part, FiniteSet):
        return FiniteSet(*map(exact, part._unsorted_args))
    return part.xreplace({decimal: Rational(str(decimal)) for decimal in part.atoms(Float)})
