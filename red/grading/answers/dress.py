r"""Dress of a formula: fonts, colours, sizes, spacing, environments, and the plain notation of programs.

What is removed or rewritten here changes the look of an answer and not its meaning. `\text{...}` and
`\mathrm{...}` stay, because they mark words and units.
"""

import re
from math import gcd

_FONT_SWITCHES = "bf|it|sf|tt|sl|sc|em|bfseries|itshape|mdseries|rmfamily|sffamily|ttfamily|boldmath|unboldmath"
_SIZES = (
    "displaystyle|textstyle|scriptstyle|scriptscriptstyle|tiny|scriptsize|footnotesize|small|normalsize"
    "|large|Large|LARGE|huge|Huge"
)
_SILENT = "mathstrut|strut|nolimits|nonumber|notag|noindent|centering|hfill|hline|null|relax|protect"
_WRAPPERS = (
    "emph|underline|uline|underbar|ensuremath|mathbf|mathit|mathsf|mathtt|mathnormal|boldsymbol|bm|pmb"
    "|framebox|smash|mathop|mathord|mathrel|mathbin|mathopen|mathclose|mathpunct"
)
_TEXT_FONTS = "text(?:rm|bf|it|sf|tt|normal|up|sl|sc|md)?|[mh]box"
_END = r"(?![a-zA-Z])"
_REMOVED = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?:\\[,;: ]|[~ ]){2,}", " "),
        (r"(?:\\q?quad(?![a-zA-Z]) ?){2,}", r"\\quad "),
        (r"(?:\\!){2,}", r"\\!"),
        (r"(?<!\\)\\[()\[\]]", " "),
        (r"(?<!\\)\$", " "),
        (r"\\\$", " "),
        (r"(\\\\) ?\[ ?-?[\d.]+ ?[a-z]{2} ?\]", r"\1 "),
        (rf"\\(?:{_FONT_SWITCHES}|{_SIZES}|{_SILENT}){_END} ?", ""),
        (r"\\(?:hspace|vspace|mspace|tag|label) ?\*? ?\{[^{}]*\}", " "),
        (r"\\(?:hskip|vskip|kern|mskip|mkern) ?-?[\d.]+ ?[a-z]{2}(?![a-z])", " "),
        (r"\\(?:(?:text)?color(?:box)?|raisebox|scalebox) ?(?:\[[^\[\]]*\] ?)?\{[^{}]*\}", ""),
        (r"\\fcolorbox ?\{[^{}]*\} ?\{[^{}]*\}", ""),
        (rf"\\(?:{_WRAPPERS}) ?(?=\{{)", ""),
        (rf"\\(?:{_TEXT_FONTS}) ?\*? ?\{{", r"\\text{"),
        (r"\\text\{ ?(-?\d[\d.,]*) (?=[A-Za-z][^{}\d]*\})", r"\1\\text{ "),
        (r"\{ ?\\rm ([^{}]*)\}|\\rm ?\{([^{}]*)\}", r"\\mathrm{\1\2}"),
        (rf"\\rm{_END} ?", ""),
        (rf"\\(?:[dtcsx]|nice|flat)frac{_END}", r"\\frac"),
        (rf"\\[dt]binom{_END}", r"\\binom"),
        (r"(?:\{|^)([^{}]*)\\over(?![a-zA-Z])([^{}]*)(?:\}|$)", r"\\frac{\1}{\2}"),
        (r"\\(?:text|mathrm)\{ ?\}", " "),
        (r"(?<=[\w)}\]]) ?\\q?quad(?: ?\\q?quad)* ?(?=[-+]?\d|[A-Za-z] ?[=_])", "; "),
        (r" ?\\(?:blacksquare|square|qed|checkmark|Box) ?$", ""),
        (r"(?:(?<=\s)|^)\*\*([^*]+)\*\*", r"\1"),
        (r"^ ?([*_`\"]) ?([^*_`\"]+?) ?\1 ?(?=\.? ?$)", r"\2"),
    )
]
_ENVIRONMENT = re.compile(
    r"(?:\\left ?)?(?:\\\{|\\lbrace(?![a-zA-Z])|\.)? ?\\begin ?\{([a-z]+)\*?\} ?(?:\{[^{}]*\})?"
    r"((?:[^\\]|\\(?!begin|end))*)"
    r"\\end ?\{\1\*?\} ?(?:\\right ?(?:\.|\\\}|\\rbrace(?![a-zA-Z])))?"
)
_SYSTEMS = {"cases", "dcases", "rcases", "array", "align", "aligned", "alignat", "alignedat", "gather", "gathered"} | {
    "equation",
    "split",
    "multline",
    "matrix",
    "eqnarray",
}
_RELATION = re.compile(r"[=<>]|\\(?:[lg](?:e|eq|eqslant|t)|n(?:e|eq)|approx|equiv|in)(?![a-zA-Z])")
_BEFORE_RELATION = re.compile(rf"& ?(?={_RELATION.pattern})|(?<=[=<>]) ?&|^ ?&")

_TOKEN = re.compile(r"\\[A-Za-z]+ ?|\\.|[{}]|[\^_\]] ?| |[^\\{}\^_\] ]+", re.DOTALL)
_TAKES_ARGUMENT = re.compile(
    r"[\^_\]}]|\\(?!(?:cdot|times|pm|mp|div|in|cup|cap|le|ge|ne|approx|to)(?![a-zA-Z]))[A-Za-z]"
)

_FUNCTIONS = "sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|arcsin|arccos|arctan|log|ln|lg|exp"
_GREEK = "pi|theta|alpha|beta|gamma|delta|epsilon|lambda|mu|rho|sigma|tau|phi|omega"
_WORDY = re.compile(r"(\\(?:text|mathrm|operatorname|begin|end) ?\{[^{}]*\})")
_PLAIN = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:np|numpy|math)\.(?=[a-z]+\()", ""),
        (r"(?<![A-Za-z\\])a(?=(?:sin|cos|tan)\()", "arc"),
        (rf"(?<![A-Za-z\\])({_FUNCTIONS})(?= ?[\^(\d\\]| [A-Za-z](?![A-Za-z]))", r"\\\1"),
        (rf"(?<![A-Za-z\\])({_GREEK})(?![A-Za-z])", r"\\\1 "),
        (r"(?<![A-Za-z\\])(?:inf|infinity|oo)(?![A-Za-z])", r"\\infty "),
        (r"\\not ?=|=/=|(?<=[A-Za-z]) ?!=", r"\\ne "),
        (r"\\frac ?(\\pi) ?(\d)", r"\\frac{\1}{\2}"),
        (r"<=", r"\\le "),
        (r"\+/-", r"\\pm "),
        (r">=", r"\\ge "),
        (r"(?<=[)\]}]) ?(?:U|union) ?(?=[(\[{\\])", r"\\cup "),
        (r"(?<![A-Za-z\\])sqrt ?(?=\{)", r"\\sqrt"),
        (r"(?<![A-Za-z\\])sqrt ?(\d+)", r"\\sqrt{\1}"),
        (r"(?<![A-Za-z\\])cbrt ?(?=[({])", r"\\sqrt[3]"),
        (r"(\\sqrt ?\[[^\[\]]*\]) ?(\w)", r"\1{\2}"),
        (r"\^ ?(\\frac ?\{[^{}]*\} ?\{[^{}]*\}|\\frac ?\d ?\d)", r"^{\1}"),
    )
]
_ARGUMENT = re.compile(r"((?<![A-Za-z\\])sqrt|\\sqrt\[3\]|\^) ?\(")
_ANGLES = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_INVERSE = re.compile(r"\\arc|\^ ?\{ ?-1 ?\}")
_DEGREES = re.compile(
    r"(\d+(?:\.\d+)?|(?<![A-Za-z\\])[A-Za-z]|\\(?:alpha|beta|gamma|theta|phi)) ?"
    r"(?:\^ ?(?:\\circ|\{ ?\\circ ?\})|\\degree|(?:\\text\{ ?)?deg(?:rees?)?(?![a-z])\}?)"
)
_REPEATING = re.compile(
    r"(?<![\w.])(\d*)\.(\d*)(?:\\(?:overline|bar) ?(?:\{ ?(\d+) ?\}|(\d))"
    r"|\\dot ?(?:\{(\d)\}|(\d))(?:(\d*)\\dot ?(?:\{(\d)\}|(\d)))?|(?<=\.)\((\d+)\))"
)


def undressed(text: str) -> str:
    """Plain LaTeX without fonts, colours, sizes, layout, spare braces and markdown."""
    if text.isalnum():
        return text
    for pattern, replacement in _REMOVED:
        text = pattern.sub(replacement, text)
    if "\\begin" in text:
        text = _ENVIRONMENT.sub(_rows, text)
    elif r"\\" in text:
        text = _joined(text.split(r"\\"))
    return _without_spare_braces(text) if "{" in text else text


def as_latex(text: str) -> str:
    r"""`sqrt(x)`, `2*pi`, `x^(1/2)`, `<=`, `\cos 60^\circ`, `0.\overline{3}` in the LaTeX of formulas.

    Degrees become radians where a text has trigonometric functions of them; a repeating decimal
    becomes the fraction that it is.
    """
    if text.isdigit():
        return text
    parts = _WORDY.split(text)
    for pattern, replacement in _PLAIN:
        parts[::2] = [pattern.sub(replacement, part) for part in parts[::2]]
    text = _braced_arguments("".join(parts))
    if _ANGLES.search(text) and not _INVERSE.search(text):
        text = _DEGREES.sub(r"(\\frac{\1 \\pi}{180})", text)
    return _REPEATING.sub(_fraction, text)


def _rows(match: re.Match[str]) -> str:
    """Rows of a system of equations as a list, rows of one equation as its chain; matrices stay."""
    if match[1] not in _SYSTEMS:
        return match[0]
    rows = [_BEFORE_RELATION.sub(" ", row).strip(" ,;") for row in match[2].split(r"\\")]
    rows = [row for row in rows if row]
    several = len(rows) > 1 and not all(map(_RELATION.search, rows))
    if several or any("&" in row for row in rows):
        return match[0]
    return _joined(rows)


def _joined(rows: list[str]) -> str:
    """Rows as a list; one that begins with a relation goes on with the row before."""
    joined = ""
    for row in filter(str.strip, rows):
        joined += (" " if not joined or _RELATION.match(row.lstrip()) else "; ") + row
    return joined + " "


def _without_spare_braces(text: str) -> str:
    """Braces dropped that are no argument and hold no base together: `{5}`, `10{,}000`, `{x}^2`."""
    tokens = _TOKEN.findall(text)
    opened: list[int | None] = []  # None for the brace of an argument
    before = ""
    for position, token in enumerate(tokens):
        if token == "{":
            opened.append(None if _TAKES_ARGUMENT.match(before) else position)
        elif token == "}" and opened and (start := opened.pop()) is not None:
            is_base = "".join(tokens[position + 1 : position + 3]).lstrip()[:1] in ("^", "_")
            if position == start + 2 or not is_base:
                tokens[start] = tokens[position] = ""
                token = "x"
        if token != " ":
            before = token
    return "".join(tokens)


def _braced_arguments(text: str) -> str:
    """`sqrt(...)` and `^(...)` with braces, in one pass with a stack."""
    if not _ARGUMENT.search(text):
        return text
    pieces: list[str] = []
    closing: list[str] = []
    position = 0
    while position < len(text):
        if match := _ARGUMENT.match(text, position):
            name = match[1] if match[1][0] in "\\^" else r"\sqrt"
            pieces.append(f"{name}{{")
            closing.append("}")
            position = match.end()
            continue
        character = text[position]
        if character == "(":
            closing.append(")")
        elif character == ")" and closing:
            character = closing.pop()
        pieces.append(character)
        position += 1
    return text if closing else "".join(pieces)


def _fraction(match: re.Match[str]) -> str:
    """The fraction that a repeating decimal is."""
    whole, fixed = match[1] or "0", match[2]
    cycle = match[3] or match[4] or match[10]
    if cycle is None:
        cycle = (match[5] or match[6]) + (match[7] or "") + (match[8] or match[9] or "")
    if len(match[0]) > 60:
        return match[0]
    bottom = 10 ** len(fixed) * (10 ** len(cycle) - 1)
    top = int(whole + fixed + cycle) - int(whole + fixed)
    divisor = gcd(top, bottom)
    return str(top // bottom) if divisor == bottom else rf"\frac{{{top // divisor}}}{{{bottom // divisor}}}"
