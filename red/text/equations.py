"""Whether a text works something out: it holds an equation, not a bare answer."""

import re

_BOX = re.compile(r"\\boxed\{[^{}]*\}")
# An equals sign with something on both sides; `==`, `<=` and `!=` are code.
_EQUATION = re.compile(r"[\w)\]}]\s*=\s*[-+\w.($\[{\\]")


def holds_equation(text: str) -> bool:
    """Whether an equation stands in a text, final boxes aside: `34+28=62` or `x = 5`, not `\\boxed{x=5}`."""
    return _EQUATION.search(_BOX.sub(" ", text)) is not None
