r"""Multiple choice: the letter in the last box; failing that, leniently, a stated letter.

A letter counts where it stands as one: alone, in brackets, before `.`, `)`, `:`, a dash, a comma or words, behind
`option` or `answer`. Where several options are offered none is read. `I` before a word is the pronoun, `A` the
article. An option's own text counts where it is that of one option alone.
"""

import re
from collections import deque
from collections.abc import Sequence

from red.grading import verdict
from red.grading.answers.normalize import plain
from red.grading.extract import final_text, last_box
from red.grading.verdict import Verdict

LONGEST_BOX = 1_000
LONGEST_STATEMENT = 300
"""Characters behind `answer is` that are read."""

MOST_STATEMENTS = 20
"""Of those, the last ones that are read."""

SEVERAL = ""
"""What is read where several letters are offered."""

_MARKUP = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt)?|emph|math(?:bf|rm|it|sf)|boldsymbol|bm|underline|[fb]?box(?:ed)?) ?\{"
    r"|\\[()\[\],;:! ]|\\q?quad(?![a-z])|[*`$\"{}#]"
)
_LABEL = re.compile(
    r"(?:(?:the|my|so|thus|hence|therefore|final|correct|right|best|answer|option|choice|is|would|be)"
    r"(?![A-Za-z])[ :,]*)+",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?:[(\[<] ?([A-Za-z]) ?[)\]>]|([A-Z])(?![\w'?!+^=*(]|-\w)|([a-z])(?=[.:)]?$))(?: ?[.:)\]])*")
_BEFORE_WORD = re.compile(r"[AI],? [a-z]")
_DENIED = re.compile(
    r"(?:,? ?(?:but )?not|rather than|instead of|unlike)(?: option)? [(\[]?[A-Z](?![A-Za-z])[)\]]?", re.IGNORECASE
)
_OFFERED = r"(?:option )?[(\[]?([A-Z])(?:[)\].:,/;]|(?= (?:and|or)(?![a-z]))|(?= [A-Z](?![A-Za-z]))| ?$)"
_OFFER = re.compile(
    rf"(?:^[ ,;/&-]*(?:(?:and|or|and/or|vs\.?) )?|(?<![a-z])(?:maybe|perhaps|possibly|otherwise|or else),? ){_OFFERED}"
)
_OFFER_IN_WORDS = re.compile(rf"(?<![a-z])(?:and|or) {_OFFERED}")
_ALTERNATIVE = re.compile(r"[ ,]*(?:or(?![a-z])|/|->|\\(?:to|(?:long)?rightarrow|implies|lor|land|cup|cap)(?![a-z]))")
_OTHER_LABEL = re.compile(r"(?:^|[\s,;/&])(?:[(\[]([A-Z])[)\]]|([A-Z])[.:)\]](?![A-Za-z]))")
_STATEMENT = re.compile(r"(?<![a-z])(?:answer|option|choice)(?: is)? ?(?:is|:)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;](?:\s|$)|\n")
_LETTER_LINE = re.compile(r"\s*(?i:option\s+)?[(\[]?([A-Z])[)\].]*\s*")


def is_letter(gold: str) -> bool:
    """Whether a gold names an option by its letter."""
    return len(gold) == 1 and "A" <= gold <= "Z"


def grade_choice(response: str, answer: str, options: int | Sequence[str], *, thought_open: bool = False) -> Verdict:
    """Strict: the letter in the last box. Lenient: else the last of `ANSWER: X`, `answer is X` or a final
    line that is one letter. `options` are their texts, or how many there are; letters beyond are wrong.
    """
    texts = () if isinstance(options, int) else tuple(options)
    n_options = options if isinstance(options, int) else len(options)
    if not is_letter(answer) or not _is_option(answer, n_options):
        return Verdict(False, False, verdict.DATA_ERROR)
    text = final_text(response, thought_open=thought_open)
    if text is None:
        return Verdict(False, False, verdict.UNCLOSED_THOUGHT)
    box = last_box(text)
    letter = None
    if box is not None and len(box) < LONGEST_BOX:
        letter = _option_with_text(box, texts) or boxed_letter(box)
    if not letter:
        lenient = _stated_letter(text, texts) == answer
        reason = verdict.NO_BOX if box is None else verdict.UNPARSED if box.strip() else verdict.EMPTY_BOX
        return Verdict(False, lenient and letter is None, reason)
    correct = letter == answer
    reason = verdict.RIGHT if correct else verdict.WRONG
    return Verdict(correct, correct, reason if _is_option(letter, n_options) else verdict.OUT_OF_RANGE)


def boxed_letter(box: str) -> str | None:
    """The letter that a box settles on; SEVERAL if it offers more than one, None if it names none."""
    text = _without_markup(plain(box))
    return _letter(text, text)


def _is_option(letter: str, n_options: int) -> bool:
    return ord(letter) - ord("A") < n_options


def _letter(text: str, sentence: str) -> str | None:
    """The letter at the start of a text, behind `the answer is` and the like; `sentence` is where offers count."""
    label = _LABEL.match(text)
    start = label.end() if label else 0
    match = _LETTER.match(text, start)
    if match is None or (match[2] and _BEFORE_WORD.match(text, start)):
        return None
    letter = (match[1] or match[2] or match[3]).upper()
    rest = _DENIED.sub("", sentence[match.end() :])
    offers = [*_OFFER.findall(rest), *(one or other for one, other in _OTHER_LABEL.findall(rest))]
    if match[0].isalpha():  # no mark behind it, so what follows is no text of the option
        offers += _OFFER_IN_WORDS.findall(rest)
    return SEVERAL if _ALTERNATIVE.match(rest) or any(offer != letter for offer in offers) else letter


def _stated_letter(text: str, texts: Sequence[str]) -> str | None:
    """The letter that a text without a boxed one settles on, the last one if there are several."""
    text = _without_markup(text)
    last_line = text.rstrip().rpartition("\n")[2]
    if len(last_line) < 100 and (alone := _LETTER_LINE.fullmatch(last_line)):
        return alone[1]
    for statement in reversed(deque(_STATEMENT.finditer(text), MOST_STATEMENTS)):
        stated = text[statement.end() : statement.end() + LONGEST_STATEMENT].lstrip()
        sentence = stated[: end.start()] if (end := _SENTENCE_END.search(stated, 3)) else stated
        letter = _option_with_text(sentence, texts) or _letter(stated, sentence)
        if letter is not None:
            return letter
    return None


def _option_with_text(stated: str, texts: Sequence[str]) -> str | None:
    """The letter of the one option whose text this is, if need be in another case; a single letter is no text."""
    said = _as_text(stated)
    if not said or (len(said) == 1 and said.isalpha()):
        return None
    options = [*map(_as_text, texts)]
    for case in (str, str.casefold):
        if [*map(case, options)].count(case(said)) == 1:
            return chr(ord("A") + [*map(case, options)].index(case(said)))
    return None


def _as_text(text: str) -> str:
    return re.sub(r"[ .]+$|\\", "", _without_markup(text))


def _without_markup(text: str) -> str:
    return re.sub("[ \t]+", " ", _MARKUP.sub(" ", text.replace("\uff1a", ": "))).strip()
