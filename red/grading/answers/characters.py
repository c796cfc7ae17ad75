"""Unicode to plain LaTeX, one character at a time.

Never NFKC on a whole string: it would turn 10 with a superscript two into 102.
"""

import re
import unicodedata

_LATEX = {
    "\u2212": "-",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\ufe63": "-",
    "\u221e": r"\infty ",
    "\u2205": r"\emptyset ",
    "\u00d8": r"\emptyset ",
    "\u00d7": r"\times ",
    "\u2715": r"\times ",
    "\u22c5": r"\cdot ",
    "\u00b7": r"\cdot ",
    "\u2219": r"\cdot ",
    "\u00f7": "/",
    "\u2044": "/",
    "\u2215": "/",
    "\u00b1": r"\pm ",
    "\u2213": r"\mp ",
    "\u2264": r"\le ",
    "\u2a7d": r"\le ",
    "\u2265": r"\ge ",
    "\u2a7e": r"\ge ",
    "\u2260": r"\ne ",
    "\u2248": r"\approx ",
    "\u00b0": r"^\circ ",
    "\u2208": r"\in ",
    "\u222a": r"\cup ",
    "\u2229": r"\cap ",
    "\u2032": "'",
    "\u2019": "'",
    "\u2211": r"\sum ",
    "\u220f": r"\prod ",
    "\u222b": r"\int ",
    "\u211d": r"\mathbb{R}",
    "\u2124": r"\mathbb{Z}",
    "\u2115": r"\mathbb{N}",
    "\u211a": r"\mathbb{Q}",
    "\u2102": r"\mathbb{C}",
    "\u27e8": r"\langle ",
    "\u27e9": r"\rangle ",
    "\u230a": r"\lfloor ",
    "\u230b": r"\rfloor ",
    "\u2308": r"\lceil ",
    "\u2309": r"\rceil ",
    "\u2220": r"\angle ",
    "\u2206": r"\Delta ",
    "\u00b5": r"\mu ",
    "\u210f": r"\hbar ",
    "\u2227": r"\land ",
    "\u2228": r"\lor ",
    "\u00ac": r"\neg ",
    "\u2192": r"\to ",
    "\u2223": "|",
    "\u2236": ":",
    "\u2216": r"\setminus ",
    "\u2261": r"\equiv ",
    "\u2026": r"\ldots ",
    "\u2014": "-",
    "\u2018": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2103": r"^\circ C",
    "\u3001": ", ",
    "\uff0c": ", ",
    "\u3002": ".",
    "\u3010": "[",
    "\u3011": "]",
    "\u6216": " or ",
    "\u548c": " and ",
    "\u4e0e": " and ",
    "\u53ca": " and ",
    "\u4e14": " and ",
}

_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")
_SCRIPTS = str.maketrans({"\x02": "^{", "\x03": "}", "\x05": "_{", "\x06": "}"})
_ROOT = re.compile(r"(\\sqrt(?:\[\d\])?)\x04\s*(?:\(([^()]*)\)|([0-9.]+|[A-Za-z]))")
_ROOTS = {"\u221a": "\\sqrt\x04", "\u221b": "\\sqrt[3]\x04", "\u221c": "\\sqrt[4]\x04"}


def clean(text: str) -> str:
    """Invisible characters dropped, digits and mathematical signs in plain LaTeX.

    Full-width and other decimal digits become 0-9, `x` + superscript two becomes `x^{2}`, a
    vulgar fraction becomes `\\frac{..}{..}`, a Chinese comma, full stop, `and` or `or` its English
    one. NUL, control, zero-width, bidirectional and surrogate characters disappear; every kind of
    space becomes a space.
    """
    if text.isascii() and text.isprintable():
        return text
    # A run of superscripts is one exponent: each character is marked, then neighbours are joined.
    marked = "".join(map(_plain, text)).replace("\x03\x02", "").replace("\x06\x05", "")
    marked = marked.translate(_SCRIPTS)
    marked = _ROOT.sub(lambda root: f"{root[1]}{{{root[2] or root[3]}}}", marked)
    return marked.replace("\x04", "")


def _plain(character: str) -> str:
    """Replacement of one character; \\x02 \\x03 mark a raised sign, \\x05 \\x06 a lowered one."""
    if " " <= character <= "~":
        return character
    if character in _LATEX:
        return _LATEX[character]
    if character in _ROOTS:
        return _ROOTS[character]
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Sc" and character != "\u00a2":
        return r"\$"
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if greek := _GREEK.fullmatch(unicodedata.name(character, "")):
        letter = greek[2].lower().replace("lamda", "lambda")
        return f"\\{letter if greek[1] == 'SMALL' else letter.capitalize()} "
    return _compatible(character)


def _compatible(character: str) -> str:
    """Decomposition of a single compatibility character, as LaTeX."""
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    if not kind.startswith("<"):
        return character
    parts = "".join(_plain(chr(int(code, 16))) for code in codes)
    if kind == "<super>":
        return f"\x02{parts}\x03"
    if kind == "<sub>":
        return f"\x05{parts}\x06"
    if kind == "<fraction>":
        above, _, below = parts.partition("/")
        return f"\\frac{{{above}}}{{{below}}}"
    return parts if kind in ("<wide>", "<narrow>", "<font>", "<square>") else character
