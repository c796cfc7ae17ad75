"""Numbers, lists, tuples, sets and intervals compared exactly, without symbolic work.

Texts are lightly normalized first. Order counts where the gold has parentheses or square brackets;
it does not inside braces or in a bare list. Elements are counted with multiplicity.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from red.grading.answers.estimate import differ
from red.grading.answers.normalize import without_thousands
from red.grading.answers.numbers import number
from red.grading.answers.relations import same_congruence, stated
from red.grading.answers.times import same_ratio, same_time

_NAME = r"(?:[A-Za-z]|\\[a-z]+)(?:_(?:\w|\{\w+\}))?'*(?:\([A-Za-z](?:,[A-Za-z])*\))?"
_ASSIGNMENT = re.compile(rf"({_NAME})(?:=|\\in(?![A-Za-z]))((?:(?!\\in(?![A-Za-z]))[^=<>])+)")
_BASE = re.compile(r"(\d[0-9A-Z]*)_(?:(\d)|\{(\d+)\})")
_SYMBOL = re.compile(r"[A-Za-z]|\\[A-Za-z]+")
_BOTH_SIGNS = re.compile(r"\\(pm|mp)(?![a-zA-Z])")
_SET = re.compile(r"\s*(?:\\left)?\\\{(.*?)(?:\\right)?\\\}\s*", re.DOTALL)
_BRACKET = re.compile(r"\\[{}]|[\[\](){}]")
_POINT = re.compile(r"([A-Z](?:_\w)?'?|\([A-Za-z](?:,[A-Za-z])+\)=)(\([^()]*,[^()]*\))")
_BRACKET_OR_MARK = re.compile(r"\\.|[\[\](){},;]")
_TOO_MANY = 100
_ALPHABETS = ("xyzw", "abcdef", "mn", "pqr", "uvw", "rst", "ABC")


@dataclass(frozen=True, slots=True)
class Group:
    r"""Elements between two brackets such as `[)` or `\{\}`; `brackets` is empty for a bare list."""

    brackets: str
    elements: tuple["Group | str", ...]


def same(gold: str, answer: str) -> bool | None:
    """Whether two lightly normalized texts state the same answer; None if only algebra can tell."""
    if (agreed := same_congruence(gold, answer)) is not None:
        return agreed
    ours, theirs = _POINT.fullmatch(gold), _POINT.fullmatch(answer)
    if ours and theirs:
        return _same(group(ours[2]), group(theirs[2])) if ours[1] == theirs[1] else False
    if any(point and point[1] != _in_order(point[1]) for point in (ours, theirs)):
        return False
    return _same(group(gold), group(answer))


def group(text: str) -> Group | str:
    """The text as nested groups; a text without commas and set braces is a leaf.

    A point `P(4,-1)` or `(x,y)=(4,-1)` is `(4,-1)`.
    """
    parts = split(text)
    if len(parts) > 1:
        return Group("", tuple(map(group, parts)))
    if (point := _POINT.fullmatch(text)) and point[1] == _in_order(point[1]):
        text = point[2]
    text = bare(text)
    opening, inner, closing = _unwrapped(text)
    if not inner:
        return text
    parts = split(inner)
    if len(parts) == 1 and opening != r"\{":
        return text
    return Group(opening + closing, tuple(map(group, parts)))


def _in_order(name: str) -> str:
    """A name as it is; `(y,x)=` with its letters in order."""
    letters = sorted(re.findall("[A-Za-z]", name))
    return f"({','.join(letters)})=" if name.startswith("(") else name


def bare(text: str) -> str:
    """Parentheses around a single expression removed; those of a tuple or an interval stay."""
    while True:
        opening, inner, closing = _unwrapped(text.strip())
        if opening + closing != "()" or len(split(inner)) != 1:
            return text
        text = inner


def with_both_signs(text: str) -> str:
    r"""`a\pm b` as the two answers `a+b,a-b`, in a list or a set; several `\pm` in one are kept."""
    if not _BOTH_SIGNS.search(text):
        return text
    if (braced := _SET.fullmatch(text)) and len(split(text)) == 1:
        return rf"\{{{with_both_signs(braced[1])}\}}"
    return ",".join(map(_signed, split(text)))


def _signed(element: str) -> str:
    if len(_BOTH_SIGNS.findall(element)) != 1:
        return element
    upper = _BOTH_SIGNS.sub(lambda sign: "+" if sign[1] == "pm" else "-", element)
    lower = _BOTH_SIGNS.sub(lambda sign: "-" if sign[1] == "pm" else "+", element)
    return f"{upper},{lower}"


def split(text: str) -> list[str]:
    """Pieces between the commas that stand outside all brackets; beside a `;`, `1,200` is one piece."""
    pieces = [piece for piece in _between(text, ";") if piece.strip()]
    if len(pieces) == 1:
        return [piece for piece in _between(text, ",;") if piece.strip()]
    numbers = map(without_thousands, pieces)
    return [part for piece in numbers for part in _between(piece, ",") if part.strip()]


def _between(text: str, marks: str) -> list[str]:
    """Pieces between marks that stand outside all brackets."""
    pieces, depth, start = [], 0, 0
    for match in _BRACKET_OR_MARK.finditer(text):
        mark = match[0][-1]
        if match[0] in marks and depth == 0:
            pieces.append(text[start : match.start()])
            start = match.end()
        elif match[0] not in ",;" and mark in "([{":
            depth += 1
        elif match[0] not in ",;" and mark in ")]}":
            depth = max(0, depth - 1)
    return [*pieces, text[start:]]


def _unwrapped(text: str) -> tuple[str, str, str]:
    """(opening, inside, closing) if one pair of brackets encloses the text, else empty strings."""
    depth = 0
    opening = ""
    for match in _BRACKET.finditer(text):
        if not opening:
            if match.start() != 0:
                break
            opening = match[0]
        depth += 1 if match[0][-1] in "([{" else -1
        if depth == 0:
            if match.end() == len(text) and opening != "{":
                return opening, text[len(opening) : match.start()], match[0]
            break
    return "", "", ""


def _same(gold: Group | str, answer: Group | str) -> bool | None:
    if isinstance(gold, str):
        if isinstance(answer, str):
            return _same_leaf(gold, answer)
        return _same_mixed(answer, gold, lambda part, leaf: _same(leaf, part))
    if isinstance(answer, str):
        return _same_mixed(gold, answer, _same)
    if gold.brackets and answer.brackets and gold.brackets != answer.brackets:
        return False
    if _is_interval_beside_list(gold, answer):
        return False
    if gold.brackets and not answer.brackets:
        answer = _by_name(answer)
    elif (named := _by_name(gold)) is not gold and _by_name(answer) is answer:
        gold = Group("()", named.elements)
    if len(gold.elements) != len(answer.elements):
        return None if _has_choice(gold) or _has_choice(answer) else False
    if gold.brackets in ("", r"\{\}"):
        return _same_in_any_order(gold, answer)
    verdicts = [_same(g, a) for g, a in zip(gold.elements, answer.elements, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def _is_interval_beside_list(gold: Group, answer: Group) -> bool:
    """Whether one side is an interval by its brackets, `[0,1)`, or a gold `[0,1]`, and the other has none."""
    pair = {gold.brackets, answer.brackets}
    return len(gold.elements) == 2 and (
        pair in ({"", "[)"}, {"", "(]"}) or (gold.brackets, answer.brackets) == ("[]", "")
    )


def _by_name(answer: Group) -> Group:
    """The solution `y=5,x=2` in the order of its names, where those are neighbours such as x, y, z."""
    found = [isinstance(element, str) and _ASSIGNMENT.fullmatch(element) for element in answer.elements]
    names = "".join(match[1] if match else " " for match in found)
    ordered = "".join(sorted(names))
    if len(names) != len(found) or not any(ordered in alphabet for alphabet in _ALPHABETS):
        return answer
    return Group("", tuple(element for _, element in sorted(zip(names, answer.elements, strict=True))))


def _same_mixed(several: Group, leaf: str, compare: Callable[[Group | str, Group | str], bool | None]) -> bool | None:
    """A group against a leaf: `\\{5\\}` is 5; neither a plain number nor `-(1,2)` is a list of two."""
    if leaf == r"\emptyset":
        return False
    if len(several.elements) == 1:
        return compare(several.elements[0], leaf)
    assignment = _ASSIGNMENT.fullmatch(leaf)
    if assignment and isinstance(inner := group(assignment[2]), Group):
        return compare(several, inner)
    if number(leaf) is not None:
        return False
    return None if _has_choice(several) or _has_choice(leaf) or "=" in leaf or "," not in leaf else False


def _same_in_any_order(gold: Group, answer: Group) -> bool | None:
    if len(gold.elements) > _TOO_MANY:
        return None
    unused = list(answer.elements)
    is_open = False
    for element in gold.elements:
        verdicts = [_same(element, candidate) for candidate in unused]
        if True in verdicts:
            unused.pop(verdicts.index(True))
        elif None in verdicts:
            is_open = True
        else:
            return False
    return None if is_open else True


def _same_leaf(gold: str, answer: str) -> bool | None:
    if gold == answer:
        return True
    for compare in (_same_in_base, same_congruence, same_time, same_ratio):
        if (found := compare(gold, answer)) is not None:
            return found
    if _SYMBOL.fullmatch(gold) and _SYMBOL.fullmatch(answer):
        return False
    named_gold, named_answer = _ASSIGNMENT.fullmatch(gold), _ASSIGNMENT.fullmatch(answer)
    if named_gold and named_answer:
        same_name = named_gold[1] == named_answer[1]
        return _same(group(named_gold[2]), group(named_answer[2])) if same_name else None
    if named_gold and "=" not in answer:
        return _same(group(named_gold[2]), group(answer))
    if named_answer and "=" not in gold:
        return _same(group(gold), group(named_answer[2]))
    gold_number, answer_number = number(gold), number(answer)
    if gold_number is not None and answer_number is not None:
        return gold_number.equals(answer_number)
    if "=" not in gold and (members := stated(answer)) != [answer]:
        verdicts = [_same(group(gold), group(member)) for member in members]
        return True if True in verdicts else None if None in verdicts else False
    return False if differ(gold, answer) else None


def _same_in_base(gold: str, answer: str) -> bool | None:
    """Digits with a base, `2516_8`. The gold's base may be left out, a base of one's own may not."""
    gold_digits, answer_digits = _BASE.fullmatch(gold), _BASE.fullmatch(answer)
    if gold_digits and answer_digits:
        same_base = (gold_digits[2] or gold_digits[3]) == (answer_digits[2] or answer_digits[3])
        return same_base and gold_digits[1] == answer_digits[1]
    if gold_digits:
        return gold_digits[1] == answer if answer.isalnum() else None
    if answer_digits:
        return gold == answer_digits[1] and answer_digits[3] == "10" if gold.isalnum() else None
    return None


def _has_choice(part: Group | str) -> bool:
    r"""Whether one written element may stand for several: `\pm`, a relation or a union."""
    if isinstance(part, Group):
        return any(map(_has_choice, part.elements))
    return re.search(r"\\(?:pm|mp|cup|le|ge|in|ldots|cdots|dots)(?![a-zA-Z])|[<>]", part) is not None
