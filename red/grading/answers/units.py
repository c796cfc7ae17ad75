r"""Units behind an answer or its elements: found, removed, compared.

A unit is a chain at the end of an element: `\text{...}`, `\mathrm{m/s^2}`, a fraction of those, well-known words of
two or more letters, Chinese counters. A bare single letter may be a variable and is a unit only behind a number
whose gold has no letters.
"""

import re
from collections import Counter

from red.grading.answers.structure import split

_SYNONYMS = {
    "m": "meter meters metre metres \u7c73",
    "cm": "centimeter centimeters centimetre centimetres \u5398\u7c73",
    "mm": "millimeter millimeters millimetre millimetres \u6beb\u7c73",
    "dm": "\u5206\u7c73",
    "km": "kilometer kilometers kilometre kilometres \u5343\u7c73 \u516c\u91cc",
    "nm": "nanometer nanometers",
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard yards",
    "mi": "mile miles",
    "g": "gram grams \u514b",
    "kg": "kilogram kilograms \u5343\u514b \u516c\u65a4",
    "mg": "milligram milligrams",
    "lb": "lbs pound pounds",
    "ton": "tons tonne tonnes \u5428",
    "s": "sec secs second seconds \u79d2",
    "min": "mins minute minutes \u5206\u949f",
    "h": "hr hrs hour hours \u5c0f\u65f6 \u65f6",
    "day": "days \u5929",
    "week": "weeks \u5468",
    "month": "months \u6708",
    "year": "yr yrs years \u5e74",
    "l": "liter liters litre litres \u5347",
    "ml": "milliliter milliliters \u6beb\u5347",
    "mol": "mole moles",
    "j": "joule joules",
    "kj": "",
    "w": "watt watts",
    "kw": "",
    "n": "newton newtons",
    "v": "volt volts",
    "pa": "pascal pascals",
    "hz": "hertz",
    "k": "kelvin kelvins",
    "mph": "",
    "rad": "radian radians",
    "degree": "degrees deg \u5ea6",
    "dollar": "dollars usd",
    "euro": "euros eur",
    "yuan": "\u5143",
    "yen": "\u5186 \u65e5\u5143",
    "cent": "cents",
    "unit": "units",
    "arcsecond": "arcseconds arcsec",
}
_CANONICAL = {word: symbol for symbol, words in _SYNONYMS.items() for word in (symbol, *words.split())}
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "\u5e73\u65b9": 2, "\u7acb\u65b9": 3}
_QUANTITY = re.compile(
    r"(?<![A-Za-z])(?:and|or|not|no|is|are|to|half|halves|thirds?|quarters?|dozens?|hundreds?|thousands?"
    r"|[mb]illions?|trillions?|per\s?cent(?:age)?|times|over|less|more|greater|at|most|least|mod"
    r"|base|if|for|when|where|with|squared|cubed|pi|square roots?|factorial|infinity|east|west"
    r"|north|south|below|ago|plus|ish|st|nd|rd|th|tenths?|(?:hundred|thousand)ths?|(?:four|fif|six|seven|eigh|nin)ths?|[ap]\.?m|[ivx]+)(?![A-Za-z])",
    re.IGNORECASE,
)
_MAGNITUDE = re.compile(
    r"[ \\,{]*(?:text|mathrm)?[ {]*(?:hundred|thousand|[mb]illion|trillion)(?![a-z])", re.IGNORECASE
)
_COUNTERS = (
    "\u4e2a\u4eba\u6b21\u79cd\u672c\u9875\u6761\u5f20\u5757\u652f\u8f86\u540d\u4f4d\u68f5\u5934\u5339\u53ea\u5c81\u5e45"
    "\uc6d0\uac1c\uba85\ubd84\u9053\u7ec4\u5bf9\u4ef6\u53cc\u74f6\u676f\u76d2\u7bb1\u888b\u5957\u53f0\u67b6\u8258\u6735\u9897\u7c92\u6839"
    "\u7247"
    "\u5c42\u53f7\u73ed\u5bb6\u5ea7\u95f4\u89d2\u6bb5\u6b65\u500b\u679a\u56de\u65e5\u4ea9\u5206\u5757\u811a\u5c3e\u8bb8"
)
_ASIAN_WORDS = sorted((word for word in (*_CANONICAL, *_POWERS) if not word.isascii()), key=len)[::-1]
_ASIAN_WORD = rf"(?:{'|'.join(_ASIAN_WORDS)}|[{_COUNTERS}])"
_ASIAN = rf"{_ASIAN_WORD}(?: ?[/\u6bcf]? ?{_ASIAN_WORD})*+"
_KNOWN = "|".join(word for word in sorted(_CANONICAL, key=len)[::-1] if len(word) > 1 and word.isascii())
_POWER = r"(?: ?\^ ?(?:\{ ?[-+]?\d ?\}|-?\d))?"
_MARKED = r"\\(?:text|mathrm|operatorname) ?\{(?:[^{}]|\{[^{}]*\})*+\}"
_ATOM = rf"(?:{_MARKED}|(?<![A-Za-z\\])(?:{_KNOWN})(?![A-Za-z])|{_ASIAN}){_POWER}"
_JOIN = r"(?:\\[,;:! ]|\\cdot(?![a-zA-Z])|[~/*\u00b7 ])*+"
_UNIT = rf"{_ATOM}(?:{_JOIN}{_ATOM})*+"
_TAIL = re.compile(
    rf"(?<=[\w)\]}}%]){_JOIN}(?:\\frac ?\{{ ?{_UNIT} ?\}} ?\{{ ?{_UNIT} ?\}}|[(\[] ?{_UNIT} ?[)\]]|{_UNIT}) ?\.?$"
)
_MARK = re.compile(r"\\(?:text|mathrm)\{|[A-Za-z]{2}|[^\x00-\x7f]")
_SOLAR = re.compile(r" ?[A-Z]_\{? ?\\(?:odot|oplus) ?\}?$")
_SYMBOL = (
    r"(?:k?\\Omega(?![a-zA-Z])|\^ ?\{? ?\\circ ?\}? ?[CF]"
    r"|[kcmn]m|[km]?g|m?L|mol|min|hr|ft|in|lb|k?Hz|[kM]?Pa|k?[JWNV]|[msghlAKCT])"
    r"(?: ?\^ ?(?:\{ ?-?\d ?\}|-?\d))?"
)
_SYMBOLS = rf"{_SYMBOL}(?:(?: ?\\cdot ?|[ *\u00b7])?{_SYMBOL})*"
_SHORT = re.compile(rf"(?<=[\d}}])(?:\\[,;: ]|[ ~])*(?:{_SYMBOLS})(?: ?/ ?(?:{_SYMBOL}|\({_SYMBOLS}\)))?$")
_FRACTION = re.compile(r"\\frac ?\{(.*)\} ?\{(.*)\}")
_NAME = re.compile(rf"(/|\u6bcf|per(?![a-z]))|({'|'.join(_ASIAN_WORDS)}|[a-z%]+|[^\x00-\x7f]) ?(?:\^ ?([-+]?\d)|(\d))?")
_NAMES = re.compile(rf"(?:\^ ?[-+]?\d|[^\d\u3040-\u9fff]|(?<=[a-z])\d|{_ASIAN_WORD})*+")
_SQUARED = re.compile(rf"(?<![A-Za-z])({_KNOWN}|m) (?:squared|cubed)(?![a-z])")
_CONNECTIVE = re.compile(r"(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SIGNS = (
    (re.compile(r"\\\$"), re.compile(r"(?<![A-Za-z])(?:cents?|euros?|yuan|yen)(?![A-Za-z])|\u00a2")),
    (re.compile(r"\\circ(?![a-z])|\\degree|\u00b0"), re.compile(r"(?<![A-Za-z])rad(?:ians?)?(?![A-Za-z])")),
)
_TEXT = re.compile(r"\\text\{[^{}]*\}")


def split_units(text: str) -> tuple[str, frozenset[str]]:
    r"""`15\mbox{ cm}^2` -> (`15`, {`cm2`}), `6\text{ cm and }8\text{ cm}` -> (`6, 8`, {`cm`}).

    The units are empty where none is marked.
    """
    if not _MARK.search(text):
        return text, frozenset()
    opened = _TEXT.sub(lambda part: _CONNECTIVE.sub(r"} \g<0> \\text{", part[0]), text).replace(r"\text{ }", "")
    pieces = split(_THOUSANDS_COMMA.sub("\x04", opened))
    elements = [
        element.replace("\x04", ",") for piece in pieces for element in _CONNECTIVE.split(piece) if element.strip(" {}")
    ]
    found = [_split_unit(element.strip()) for element in elements]
    if not any(unit for _, unit in found[:-1]):
        value, unit = _split_unit(text)
        return value, frozenset(filter(None, (unit,)))
    units = frozenset(unit for _, unit in found if unit)
    return ", ".join(value for value, _ in found), units


def without_short_unit(text: str) -> tuple[str, frozenset[str]]:
    """`5 m`, `5 m/s` -> `5` and the unit: a bare one behind a number or an element. Only for a gold without letters."""
    pieces = split(text)
    found = [(piece, match) for piece in pieces if (match := _SHORT.search(piece))]
    if not found:
        return text, frozenset()
    return ", ".join(_SHORT.sub("", piece) for piece in pieces), frozenset(_canonical(_words(m[0])) for _, m in found)


def have_other_signs(one: str, other: str) -> bool:
    r"""Whether one raw text has `\$` or a degree sign, and the other another money or radians in words."""
    return any(
        sign.search(a) and word.search(b) and not sign.search(b) and not word.search(a)
        for sign, word in _SIGNS
        for a, b in ((one, other), (other, one))
    )


def disagree(units: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two sets of named units are known and different."""
    return bool(units and others) and units != others and all(map(_is_known, units | others))


def _split_unit(text: str) -> tuple[str, str]:
    """An element and the canonical name of its unit; empty if it has none."""
    text = _SOLAR.sub("", text)
    tail = _TAIL.search(text)
    if not tail:
        return text.strip(), ""
    magnitude = _MAGNITUDE.match(tail[0])
    start = tail.start() + (magnitude.end() if magnitude else 0)
    value, unit = text[: tail.start()] + (magnitude[0] if magnitude else ""), text[start:]
    if magnitude and value.count("{") > value.count("}"):
        value += "}"
    unit = _SQUARED.sub(lambda name: f"{name[1]}^{'23'['cubed' in name[0]]}", unit)
    words = _words(unit)
    if _QUANTITY.search(words) or not _NAMES.fullmatch(words):
        return text.strip(), ""
    return value.strip(), _canonical(words)


def _words(unit: str) -> str:
    return re.sub(r"\\(?:text|mathrm|operatorname|cdot)|[{}]", " ", _FRACTION.sub(r"\1/\2", unit)).lower()


def _canonical(words: str) -> str:
    """`m/s^2` and `meters per second squared` by names and powers, `m1*s-2`; a word that is no unit as it stands."""
    powers: Counter[str] = Counter()
    sign, factor = 1, 1
    for per, name, power, digit in _NAME.findall(words):
        if per:
            sign = -1
        elif name in _POWERS:
            factor = _POWERS[name]
        else:
            powers[_CANONICAL.get(name, name)] += sign * factor * int(power or digit or 1)
            factor = 1
    return "*".join(f"{name}{power}" for name, power in sorted(powers.items()) if power)


def _is_known(unit: str) -> bool:
    return all(re.sub(r"-?\d+$", "", name) in _CANONICAL for name in unit.split("*"))
