"""Training problems: prompts joined with their demonstrations, tokenized, checked and counted."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from red.data.rows import check_id, check_question
from red.errors import DataError
from red.grading.comparable import unreadable
from red.grading.gold import UnusableGold, answer_of
from red.grading.grader import Grader
from red.grading.math import is_usable
from red.methods.base import Problem
from red.plumbing.storage import numbered_jsonl
from red.seeds import derive
from red.text.codec import Codec
from red.text.template import THOUGHT_OPEN

SENTENCE_ENDS = (". ", ".\n", "? ", "!", "\n\n")
THOUGHT_END = "</think>"


class Judge(Protocol):
    """Verdict (0 or 1) on each (response text, gold answer, whether the prompt opened a thought)."""

    def __call__(self, cases: Iterable[tuple[str, str, bool]]) -> list[float]: ...


@dataclass(frozen=True)
class Limits:
    """Longest prompt and response, in tokens; longer prompts are dropped, longer demonstrations cut."""

    prompt: int
    response: int


@dataclass(frozen=True)
class ProblemSet:
    """Usable problems and how many rows had which defect (never silently dropped)."""

    problems: tuple[Problem, ...]
    counts: Mapping[str, int]
    thought_open: bool


def load_problems(
    prompts: Path,
    demonstrations: Path,
    codec: Codec,
    template: str,
    limits: Limits,
    judge: Judge,
    need_demonstrations: bool,
) -> ProblemSet:
    """Join two JSON-lines files by id.

    Counts: prompt_too_long (dropped), no_demonstration (dropped only if the method needs one),
    demonstration_cut, demonstration_wrong (kept, with its own verdict), forced_accuracy, wrong_trace.
    """
    demonstration_rows = _demonstrations(demonstrations)
    counts: Counter[str] = Counter()
    rows: list[tuple[dict[str, Any], tuple[int, ...], dict[str, Any] | None]] = []
    places: dict[str, str] = {}
    ids: set[str] = set()
    thought_open = codec.render("?", None, template).endswith(THOUGHT_OPEN)
    for number, row in numbered_jsonl(prompts, ("id", "question", "answer")):
        where = f"{prompts}: line {number}"
        row["answer"] = _checked_answer(row, ids, where)
        places.setdefault(row["answer"], where)
        ids.add(row["id"])
        prompt = codec.prompt(row["question"], row.get("options"), template, row.get("system"), where).tokens
        if len(prompt) > limits.prompt:
            counts["prompt_too_long"] += 1
            continue
        demonstration = demonstration_rows.get(row["id"])
        if demonstration is None:
            counts["no_demonstration"] += 1
            if need_demonstrations:
                continue
        rows.append((row, prompt, demonstration))
    if not rows:
        raise DataError(f"{prompts}: no usable problem ({dict(counts)})")
    with Grader(lenient=False) as grader:
        broken = unreadable(places, grader)
    for answer, where in places.items():
        if answer in broken:
            raise DataError(f"{where}: answer {answer!r} cannot be compared with any other; drop the prompt")
    end_id = codec.end_id(template)
    verdicts = iter(judge((d["response"], r["answer"], thought_open) for r, _, d in rows if d))
    problems = []
    for row, prompt, demonstration in rows:
        if demonstration is None:
            problems.append(Problem(row["id"], prompt, row["answer"]))
            continue
        verdict, forced = next(verdicts), demonstration.get("forced_accuracy")
        counts["demonstration_wrong"] += verdict == 0
        counts["forced_accuracy"] += forced is not None
        response, ends = _encode(
            demonstration["response"], codec, end_id, thought_open, f"{demonstrations}: {row['id']}"
        )
        counts["demonstration_cut"] += len(response) > limits.response
        wrong = _wrong_trace(demonstration, codec, end_id, thought_open, f"{demonstrations}: {row['id']}")
        counts["wrong_trace"] += bool(wrong)
        problems.append(
            Problem(
                row["id"],
                prompt,
                row["answer"],
                response[: limits.response],
                verdict if forced is None else float(forced),
                tuple(end for end in ends if end < limits.response),
                wrong[: limits.response],
            )
        )
    counts["problems"] = len(problems)
    return ProblemSet(tuple(problems), dict(counts), thought_open)


def _checked_answer(row: Mapping[str, Any], earlier_ids: Container[str], where: str) -> str:
    """The gold answer of a row that is whole; DataError otherwise."""
    check_id(row, earlier_ids, where)
    check_question(row, where)
    try:
        answer = answer_of(row["answer"])
    except UnusableGold as error:
        raise DataError(f"{where}: answer: {error}; drop the prompt") from None
    if not is_usable(answer):
        raise DataError(f"{where}: answer {answer!r} cannot be graded; drop the prompt")
    return answer


def _demonstrations(path: Path) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for number, row in numbered_jsonl(path, ("id", "response")):
        check_id(row, rows, f"{path}: line {number}")
        if not isinstance(row["response"], str) or not row["response"].strip():
            raise DataError(f"{path}: line {number}: empty demonstration")
        if row.get("forced_accuracy") not in (None, 0, 1):
            raise DataError(f"{path}: line {number}: forced_accuracy is null, 0 or 1")
        if not isinstance(row.get("wrong"), (str, type(None))):
            raise DataError(f"{path}: line {number}: wrong is null or a text")
        rows[row["id"]] = row
    return rows


def _wrong_trace(row: Mapping[str, Any], codec: Codec, end_id: int, thought_open: bool, where: str) -> tuple[int, ...]:
    """Tokens with one end token; none where the row has no wrong trace."""
    return _encode(row["wrong"], codec, end_id, thought_open, where)[0] if row.get("wrong") else ()


def _encode(
    response: str, codec: Codec, end_id: int, thought_open: bool, where: str
) -> tuple[tuple[int, ...], list[int]]:
    """Tokens with one end token, and the token counts at each sentence end of the thought."""
    if thought_open:
        response = response.removeprefix(THOUGHT_OPEN)
    encoding = codec.response(response, where)
    mark = response.find(THOUGHT_END)
    thought_end = len(response) if mark < 0 else mark
    ends = [
        index + 1
        for index, (start, end) in enumerate(encoding.offsets)
        if end < thought_end
        and (
            response[max(start - 1, 0) : end + 1].rstrip("}").endswith(SENTENCE_ENDS)
            or response[start:end].endswith(SENTENCE_ENDS)
        )
    ]
    return (*encoding.ids, end_id), ends


@dataclass
class ProblemOrder:
    """The fixed order of a run's prompts: a fresh shuffle each epoch. `cursor` is the whole state.

    The order depends on the seed only, so every method with that seed sees the same prompts.
    """

    problems: Sequence[Problem]
    seed: int
    cursor: int = 0
    step: int = 0
    _epoch: tuple[int, list[int]] = (-1, [])

    def take(self, count: int) -> list[Problem]:
        """The next `count` problems; wraps into the next epoch."""
        taken = []
        for position in range(self.cursor, self.cursor + count):
            epoch, index = divmod(position, len(self.problems))
            taken.append(self.problems[self._order(epoch)[index]])
        self.cursor += count
        return taken

    def draw(self, count: int, purpose: str) -> list[Problem]:
        """`count` problems at random for this step, of those that have a demonstration; the cursor stays."""
        return self.random(purpose).choices([p for p in self.problems if p.demonstration], k=count)

    def random(self, purpose: str) -> Random:
        """This step's random numbers for one purpose."""
        return Random(derive(self.seed, purpose, self.step))

    def named(self, ids: Iterable[str]) -> list[Problem]:
        """The problems with these ids, in their order."""
        by_id = {problem.id: problem for problem in self.problems}
        return [by_id[id] for id in ids]

    def _order(self, epoch: int) -> list[int]:
        if self._epoch[0] != epoch:
            order = list(range(len(self.problems)))
            Random(derive(self.seed, "order", epoch)).shuffle(order)
            self._epoch = (epoch, order)
        return self._epoch[1]
