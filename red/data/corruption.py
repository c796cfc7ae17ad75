"""Corruptions of the demonstrations (robustness study, App. G). A corruption is one function here.

Each takes the clean demonstrations, the rate, a seed and `Tools`, and returns as many rows in the same
order. Prompts are ranked by a seeded hash and the first ones are taken, so the corrupted prompts of a
low rate are among those of a higher one.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from red.data.sources import Demonstration
from red.errors import ConfigError
from red.grading.extract import last_box
from red.seeds import derive

CHANGES_PER_CHAIN = 3
LENGTH_TOLERANCE = 0.10
ATTEMPTS = 20


@dataclass(frozen=True)
class Tools:
    """What a corruption may ask of the outside.

    `verify(id, response)` is the grader's verdict; `wrong_responses` holds for some of the ids a response
    of the base model that is wrong, ended, and of 0.5 to 2 times the demonstration's length.
    """

    verify: Callable[[str, str], bool]
    wrong_responses: Mapping[str, str]


# Verdict (0 or 1) on each (response text, gold answer, whether the prompt opened a thought).
Judge = Callable[[Iterable[tuple[str, str, bool]]], list[float]]
Corruption = Callable[[Sequence[Demonstration], float, int, Tools], list[Demonstration]]


def named(name: str) -> Corruption:
    """The corruption function of this module with that name."""
    functions: dict[str, Corruption] = {
        key: value
        for key, value in globals().items()
        if getattr(value, "__module__", None) == __name__
        and getattr(value, "__annotations__", {}).get("tools") is Tools
        and not key.startswith("_")
    }
    if name not in functions:
        raise ConfigError(f"corruption {name!r} is unknown; known: {', '.join(sorted(functions))}")
    return functions[name]


def clean(demonstrations: Sequence[Demonstration], rate: float, seed: int, tools: Tools) -> list[Demonstration]:
    """No corruption."""
    return list(demonstrations)


def noisy_labels(demonstrations: Sequence[Demonstration], rate: float, seed: int, tools: Tools) -> list[Demonstration]:
    """Half: a wrong response scored 1. Other half: the correct demonstration scored 0.

    If the base gives too few wrong responses, fewer prompts are corrupted; the summary tells.
    """
    order = ranked(demonstrations, seed)
    count = round(rate * len(order))
    wrong = [row for row in order if row.id in tools.wrong_responses][: count // 2]
    corrupted = {
        row.id: replace(row, response=tools.wrong_responses[row.id], forced_accuracy=1, corruption="wrong_response")
        for row in wrong
    }
    zero_ids = set([row.id for row in order if row.id not in corrupted][: count - count // 2])
    for row in order:
        if row.id in zero_ids:
            corrupted[row.id] = replace(row, forced_accuracy=0, corruption="forced_zero")
    return [corrupted.get(row.id, row) for row in demonstrations]


def adversarial_chains(
    demonstrations: Sequence[Demonstration], rate: float, seed: int, tools: Tools
) -> list[Demonstration]:
    """Broken reasoning with a final answer that still verifies: altered numbers or a spliced middle.

    Half of the corrupted prompts each. A chain is kept if it verifies, differs, and its number of
    words changed by less than 10 %; otherwise the next prompt in rank takes its place.
    """
    order = ranked(demonstrations, seed)
    count = round(rate * len(order))
    corrupted: dict[str, Demonstration] = {}
    for kind, break_chain in (("altered_numbers", _alter), ("spliced", _splice)):
        quota = count // 2 if kind == "altered_numbers" else count - len(corrupted)
        for row in order:
            if quota == 0:
                break
            if row.id in corrupted:
                continue
            random = Random(derive(seed, kind, row.id))
            text = _acceptable(row, partial(break_chain, random, row.response, order), tools)
            if text is not None:
                corrupted[row.id] = replace(row, response=text, corruption=kind)
                quota -= 1
    return [corrupted.get(row.id, row) for row in demonstrations]


def wrong_traces(demonstrations: Sequence[Demonstration], rate: float, seed: int, tools: Tools) -> list[Demonstration]:
    """Beside the demonstration, which stays as it is, the same one with a slip that is carried to its answer.

    From the first result on that is the answer, another number stands in every place of it. Only whole numbers slip;
    the next prompt in rank takes the place of any other.
    """
    count = round(rate * len(demonstrations))
    found: dict[str, Demonstration] = {}
    for row in ranked(demonstrations, seed):
        if len(found) == count:
            break
        text = _slipped(Random(derive(seed, "wrong trace", row.id)), row.response)
        if text is not None and not tools.verify(row.id, text):
            found[row.id] = replace(row, wrong=text, corruption="wrong_trace")
    return [found.get(row.id, row) for row in demonstrations]


def ranked(demonstrations: Sequence[Demonstration], seed: int) -> list[Demonstration]:
    """In the order in which prompts are taken."""
    return sorted(demonstrations, key=lambda row: (derive(seed, "corruption", row.id), row.id))


def _acceptable(row: Demonstration, attempt: Callable[[], str | None], tools: Tools) -> str | None:
    length = len(_WORD.findall(row.response))
    for _ in range(ATTEMPTS):
        text = attempt()
        if text is None or text == row.response or not tools.verify(row.id, text):
            continue
        if abs(len(_WORD.findall(text)) - length) < LENGTH_TOLERANCE * length:
            return text
    return None


_WORD = re.compile(r"\d+|[^\W\d]+|[^\w\s]")
_WHOLE = re.compile(r"-?\d+")
_EQUALITY = re.compile(r"=\s*(-?\d+)(?!\d|\.\d)")


def _thought_end(text: str) -> int:
    """End of the part that may be broken: the closing think tag, else the final box."""
    for mark in ("</think>", "\\boxed"):
        if (end := text.rfind(mark)) >= 0:
            return end
    return len(text)


def _alter(random: Random, text: str, donors: Sequence[Demonstration]) -> str | None:
    """Change up to three results at 25 to 75 % of the thought, each with its next mention only."""
    end = _thought_end(text)
    matches = [m for m in _EQUALITY.finditer(text, 0, end) if 0.25 <= m.start(1) / end <= 0.75]
    if not matches:
        return None
    results = random.sample(matches, min(CHANGES_PER_CHAIN, len(matches)))
    edits: dict[int, tuple[int, str]] = {}
    for match in results:
        value = _altered(random, match[1])
        edits[match.start(1)] = (match.end(1), value)
        mention = re.compile(rf"(?<!\d){re.escape(match[1])}(?!\d)").search(text, match.end(1), end)
        if mention:
            edits.setdefault(mention.start(), (mention.end(), value))
    for start in sorted(edits, reverse=True):
        stop, value = edits[start]
        text = text[:start] + value + text[stop:]
    return text


def _altered(random: Random, number: str) -> str:
    """Plus or minus one, two neighboring digits swapped, or the sign changed."""
    value = int(number)
    digits = number.lstrip("-")
    candidates = [str(value + 1), str(value - 1), str(-value)]
    candidates += [
        number[: len(number) - len(digits)] + digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]
        for i in range(len(digits) - 1)
        if digits[i] != digits[i + 1] and not (i == 0 and digits[1] == "0")
    ]
    return random.choice([candidate for candidate in candidates if candidate != number])


def _slipped(random: Random, text: str) -> str | None:
    """None where the last box holds no whole number, or no result before it is that number."""
    answer = last_box(text)
    if answer is None or not _WHOLE.fullmatch(answer):
        return None
    mention = rf"(?<![\d.]){re.escape(answer)}(?!\d|\.\d)"
    result = re.search(rf"=\s*(?={mention})", text)
    if result is None:
        return None
    carried = re.compile(mention).sub(_altered(random, answer), text[result.end() :])
    return text[: result.end()] + carried


def _splice(random: Random, text: str, donors: Sequence[Demonstration]) -> str | None:
    """Replace the middle 20 % of the paragraphs (of the sentences if there is one) by another's."""
    donor = random.choice(donors).response
    parts, donated = _paragraphs(text[: _thought_end(text)]), _paragraphs(donor[: _thought_end(donor)])
    if len(parts) < 3 or len(donated) < 3:
        return None
    middle = _middle(parts)
    parts[middle] = donated[_middle(donated)]
    return "".join(parts) + text[_thought_end(text) :]


def _paragraphs(text: str) -> list[str]:
    pattern = r".*?\n\n|.+\Z" if "\n\n" in text else r".*?\. |.+\Z"
    return re.findall(pattern, text, re.DOTALL)


def _middle(parts: Sequence[str]) -> slice:
    count = max(1, round(0.2 * len(parts)))
    start = (len(parts) - count) // 2
    return slice(start, start + count)
