"""Words in an answer: its label, remarks behind it, hedges that spoil it, and answers that are words."""

import re

from red.grading.answers.numbers import number

_DIGIT = re.compile(r"\d")
_CHINESE = r"\u4e00-\u9fff"
_LABELS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:\\text ?\{ ?)?[A-Za-z ,'()-]*?(?<![A-Za-z])(?:is|are|equals?)(?![A-Za-z]) ?:?(?: ?\})? ?(?=[^ }])",
        r"^(?:\\text ?\{ ?)?(?:[^\W\d_][^\W\d_']* )*(?:[^\W\d_]{3,}|[^\x00-\x7f]+) ?\}? ?:(?: ?\})? ?(?=[^ }])",
        rf"^(?:\\text ?\{{ ?)?[{_CHINESE}]{{0,20}}(?:\u4e3a|\u662f|\u7b49\u4e8e|(?<=[{_CHINESE}]) ?[:=])"
        r"(?: ?\})? ?(?=[^ }])",
    )
]
_REMARK = re.compile(
    r"(?<![A-Za-z\\])(?:where|for (?:all|any|every|each|some)|because|since|exactly|in total|altogether"
    r"|respectively)(?![A-Za-z])",
    re.IGNORECASE,
)
_MEMBERSHIP = re.compile(
    r"(?<=[^ ,;]) ?(?:[,;] ?|\\[,; ]|\(|\\text\{[ (]*(?:where|for|with)? ?\} ?)+"
    r"(?:[A-Za-z] ?, ?){0,4}[A-Za-z] ?\\in ?\\mathbb ?\{? ?[NZQRC] ?\}?[\w^+*{}]* ?\)?$"
)
_PARAMETER = re.compile(r"([A-Za-z]) ?\\in ?\\mathbb ?\{? ?([NZQRC])([\w^+*{} ]*)\)?$")
_HEDGE = re.compile(
    r"(?<![A-Za-z\\])(?:maybe|possibly|perhaps|probably|likely|alternatively|otherwise|else|either|unless|if|when"
    r"|whenever|depending|not|never|neither|nor|cannot|can't|isn't|but|except|excluding|wrong|incorrect|false"
    r"|impossible"
    r"|extraneous|assum(?:e|ing)|suppos(?:e|ing)|let|provided"
    r"|almost|nearly|unknown|unclear|guess|than|up to)(?![A-Za-z])|\?"
    r"|\u6216\u8bb8|\u53ef\u80fd|\u4e5f\u8bb8|\u5927\u6982|\u5de6\u53f3|\u7ea6|\u4e0d|\u5982\u679c|\u82e5|\u5f53|\u5426"
    r"|\u4ee5\u4e0a|\u4ee5\u4e0b|\u4ee5\u5185",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_SHORT_WORDS = {"yes", "no", "odd", "all", "any"}
_LOOKS_LIKE_TEXT = re.compile(r"\\(?:text|mathrm|operatorname)\{")


def unlabelled(text: str) -> str:
    r"""Plain text without the label before its answer: `\text{The sum is } 5`, `Answer: 5`, `\text{Area: }5`."""
    for label in _LABELS:
        if (match := label.match(text)) and not is_hedged(match[0]):
            rest = text[match.end() :]
            is_open = match[0].count("{") > match[0].count("}")
            return rf"\text{{{rest}" if is_open else rest
    return text


def unremarked(text: str) -> str:
    r"""Plain text without the remark behind its answer: `n^2 \text{ where } n>0`, `2\pi k, k\in\mathbb{Z}`."""
    text = _MEMBERSHIP.sub("", text)
    remark = _REMARK.search(text, 1)
    if remark is None:
        return text
    return text[: remark.start()].rstrip(" ,;(").removesuffix(r"\text{").rstrip(" ,;(\\") or text


def parameter(text: str) -> tuple[str, str] | None:
    r"""The letter that a family of answers runs over, and its numbers: `2\pi k, k\in\mathbb{Z}` has (`k`, `Z`).

    N, N^* and Z^+ are N alike, because books differ on whether N has a zero.
    """
    found = _MEMBERSHIP.search(text) and _PARAMETER.search(text)
    return (found[1], "N" if "+" in found[3] else found[2]) if found else None


def renamed(text: str, old: str, new: str) -> str:
    """A family with another letter for its parameter; unchanged if it has that letter already."""
    if re.search(rf"(?<![A-Za-z\\]){new}", text):
        return text
    return re.sub(rf"(?<![A-Za-z\\]){old}(?![A-Za-z])", new, text)


def is_hedged(text: str) -> bool:
    """Whether words make a plain answer conditional, negative or a guess."""
    return _HEDGE.search(text) is not None


def same_words(gold: str, answer: str, *, is_text: bool) -> bool | None:
    """Whether two light texts are the same words; None where words do not settle it.

    In text mode, or with three letters and more, letters are a word: their order counts and, unless one
    side is all capitals, their case does not. Two bare letters are a product: `ab` is `ba`, not `AB`.
    A word is no number, except a number word.
    """
    gold, answer = gold.rstrip(".!"), answer.rstrip(".!")
    words = [_is_word(side, is_text) for side in (gold, answer)]
    if any(words) and (numbers := (number(gold), number(answer))) != (None, None):
        return numbers[0] == numbers[1]
    if all(words):
        is_name = gold.isupper() != answer.isupper() and not is_text and gold.lower() not in _SHORT_WORDS
        return gold == answer if is_name else gold.lower() == answer.lower()
    if gold.isalpha() and answer.isalpha() and len(gold) == len(answer) == 2:
        return not any(words) and sorted(gold) == sorted(answer)
    if any(words) and _DIGIT.search(gold + answer):
        return False
    return None


def _is_word(text: str, is_text: bool) -> bool:
    if not _WORDS.fullmatch(text):
        return False
    return len(text) > 2 or not text.isascii() or (len(text) == 2 and (is_text or text.lower() in _SHORT_WORDS))


def in_text_mode(text: str) -> bool:
    """Whether plain text has words in text mode."""
    return _LOOKS_LIKE_TEXT.search(text) is not None
