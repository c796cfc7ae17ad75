"""Units behind an answer: found, removed, compared."""

import re

_SYNONYMS = {
    "m": "meter meters metre metres",
    "cm": "centimeter centimeters centimetre centimetres",
    "mm": "millimeter millimeters millimetre millimetres",
    "km": "kilometer kilometers kilometre kilometres",
    "nm": "nanometer nanometers",
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard yards",
    "mi": "mile miles",
    "g": "gram grams",
    "kg": "kilogram kilograms",
    "mg": "milligram milligrams",
    "lb": "lbs pound pounds",
    "s": "sec secs second seconds",
    "min": "mins minute minutes",
    "h": "hr hrs hour hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "yr yrs years",
    "l": "liter liters litre litres",
    "ml": "milliliter milliliters",
    "j": "joule joules",
    "w": "watt watts",
    "n": "newton newtons",
    "hz": "hertz",
    "k": "kelvin kelvins",
    "mph": "",
    "rad": "radian radians",
    "degree": "degrees deg",
    "dollar": "dollars",
    "cent": "cents",
    "unit": "units",
    "arcsecond": "arcseconds arcsec",
}
_CANONICAL = {word: symbol for symbol, words in _SYNONYMS.items() for word in (symbol, *words.split())}
_QUANTITY = re.compile(
    r"\b(?:and|or|not|no|is|are|to|half|halves|thirds?|quarters?|dozens?|hundreds?|thousands?"
    r"|[mb]illions?|trillions?|per\s?cent(?:age)?|times|over|less|more|greater|at|most|least|mod"
    r"|base|if|for|when|where|with|squared|cubed|pi|square roots?|factorial|infinity|east|west"
    r"|north|south|[ap]\.?m|[ivx]+)\b",
    re.IGNORECASE,
)
_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?"
_MARKED = rf"\\(?:text|textrm|textbf|textnormal|mathrm|mbox|operatorname|rm)\s*\{{([^{{}}]*)\}}{_POWER}"
_LOOSE = rf"(?<![A-Za-z\\])({'|'.join(w for w in sorted(_CANONICAL, key=len)[::-1] if len(w) > 1)}){_POWER}"
_JOIN = r"(?:\\[,;:! ]|\\cdot(?![a-zA-Z])|[~/*\s])*"
_TAIL = re.compile(rf"{_JOIN}(?:{_MARKED}|{_LOOSE})\s*\.?$")
_MEASURED = re.compile(r"[\w)\]}%]\s*$")
_SOLAR = re.compile(r"\s*[A-Z]_\{?\s*\\(?:odot|oplus)\s*\}?$")
_SYMBOL = r"(?:[kcmn]m|[km]?g|m?L|mol|min|hr|ft|in|lb|Hz|Pa|[msghlLJNWVAKC])(?:\^\{?-?\d\}?)?"
_SHORT = re.compile(rf"(?<=[\d}}])\s*(?:\\[,;: ]|~)?\s*{_SYMBOL}(?:\s*/\s*{_SYMBOL})?$")


def split_unit(text: str) -> tuple[str, str]:
    r"""`15\mbox{ cm}^2` -> (`15`, `cm^2`); the unit is empty where none is marked.

    A unit is a chain of `\text{...}`, `\mathrm{...}` or well-known words of two or more letters
    at the end. A bare single letter is never taken for a unit here: it may be a variable.
    """
    names: list[str] = []
    value = _SOLAR.sub("", text)
    while match := _TAIL.search(value):
        words = (match[1] or match[2] or "").strip(" ~.").lower()
        value_end = _MEASURED.search(value[: match.start()])
        if not value_end or _QUANTITY.search(words) or re.search(r"\d", words):
            break
        power = re.sub(r"[^\d-]", "", match[0][match[0].rfind("^") :]) if "^" in match[0] else ""
        names.append(_CANONICAL.get(words, words) + power)
        value = value[: match.start()]
    return value.strip(), "*".join(reversed(names))


def without_short_unit(text: str) -> str:
    """A bare unit behind a number removed: `5 m`, `5 m/s` -> `5`. Only for a gold without letters."""
    return _SHORT.sub("", text)


def disagree(unit: str, other: str) -> bool:
    """Whether two named units are known and different."""
    return bool(unit and other) and unit != other and _is_known(unit) and _is_known(other)


def _is_known(unit: str) -> bool:
    return all(re.sub(r"-?\d+$", "", name) in _CANONICAL for name in unit.split("*"))
