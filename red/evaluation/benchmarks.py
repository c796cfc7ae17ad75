"""Problems of a benchmark in one schema, from a local folder or from the hub, checked row by row."""

import hashlib
import io
import random
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.evaluation import catalog
from red.evaluation.catalog import Benchmark, Hub
from red.evaluation.sealed import PASSWORD, seal, unseal
from red.grading.gold import UnusableGold, answer_of
from red.plumbing.storage import as_object, numbered_jsonl, parse_json, read_bytes, read_jsonl
from red.seeds import derive, limited
from red.text.codec import Codec, Prompt
from red.text.template import LETTERS

# Bytes; ten times the largest benchmark. An archive can unpack to a thousand times its size.
LARGEST_UNPACKED = 256 << 20
# LUFFY's wording, which its published prompt hashes confirm.
INSTRUCTION = (
    "Answer the following multiple choice question. The last line of your response should be of the "
    "following format: 'ANSWER: $LETTER' (without quotes) where LETTER is one of {letters}. "
    "Think step by step before answering."
)
Row = tuple[str, dict[str, Any]]  # where it was found (for messages), what was found


@dataclass(frozen=True)
class Problem:
    """One problem. The answer to a choice between options is a letter at paper scale."""

    id: str
    question: str
    options: tuple[str, ...] | None
    answer: str
    extra: Mapping[str, Any] = field(default_factory=dict)


class Unavailable(DataError):
    """The hub does not give a data set: no network, no such name, no access to a gated one."""


def rows(name: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of a benchmark file. A protected benchmark has its texts sealed: ids and letters are in plain text.

    One that the hub does not give has one row, which says why; see `missing`.
    """
    benchmark = catalog.benchmark(name, entry)
    try:
        problems = load(benchmark)
    except Unavailable as error:
        yield {"missing": str(error)}
        return
    for problem in problems:
        row = asdict(problem)
        if benchmark.protected:
            texts = {"question": problem.question, "options": problem.options}
            letters = list(LETTERS[: len(problem.options or ())])
            row |= {"question": None, "options": letters, "sealed": seal(texts, problem.id)}
        yield row


def missing(path: Path) -> str | None:
    """Why a file has no problems, answers or verdicts of its benchmark; None if it has."""
    reason = next(read_jsonl(path), {}).get("missing")
    return None if reason is None else str(reason)


def read(path: Path, ordered: int | None = None) -> list[Problem]:
    """Problems of a file that `rows` filled; DataError unless it holds as many as are ordered, if that is known.

    Nothing is fetched: compute nodes have no network.
    """
    problems = []
    for number, row in enumerate(read_jsonl(path, ("id", "question", "options", "answer")), start=1):
        where = f"{path}: line {number}"
        sealed = isinstance(row.get("sealed"), str) and isinstance(row["id"], str)
        texts = unseal(row["sealed"], row["id"], where) if sealed else {}
        problems.append(_problem({**row, **texts}, where))
    return _checked(problems, str(path), ordered)


def golds(path: Path, ordered: int | None = None) -> list[Problem]:
    """The same without questions, which a protected benchmark has sealed; empty where the benchmark is missing."""
    if missing(path):
        return []
    rows = numbered_jsonl(path, ("id", "options", "answer"))
    problems = [_problem({**row, "question": "?"}, f"{path}: line {number}") for number, row in rows]
    return [replace(problem, question="") for problem in _checked(problems, str(path), ordered)]


def load(benchmark: Benchmark) -> list[Problem]:
    """The problems of a benchmark, all or `limit` of them. DataError names the file and row of the first defect."""
    source_rows = _hub(benchmark) if benchmark.data_dir is None else _local(benchmark, benchmark.data_dir)
    problems = []
    for where, row in source_rows:
        problem = _problem(row, where)
        _check_kind(problem, benchmark, where)
        problems.append(problem)
    problems = subset(problems, benchmark.where)
    source = f"hub {_source(benchmark).id}" if benchmark.data_dir is None else f"{benchmark.data_dir}/{benchmark.file}"
    if benchmark.rows is not None and len(problems) != benchmark.rows:
        raise DataError(f"{source}: {len(problems)} problems for {benchmark.name}, expected {benchmark.rows}")
    problems = _checked(problems, source)
    return limited(problems, (problem.id for problem in problems), benchmark.limit)


def subset(problems: Iterable[Problem], where: Mapping[str, bool]) -> list[Problem]:
    """The problems whose `extra` has all values of `where`."""
    return [p for p in problems if all(p.extra.get(key) == value for key, value in where.items())]


def prompt(problem: Problem, benchmark: Benchmark, codec: Codec, template: str, system: str | None = None) -> Prompt:
    """What the model continues."""
    where = f"{benchmark.name}: {problem.id}"
    if benchmark.layout is None:
        return codec.prompt(problem.question, problem.options, template, system, where)
    return codec.prompt(user_text(problem, benchmark), None, template, system, where)


def user_text(problem: Problem, benchmark: Benchmark) -> str:
    """The question with its options in the benchmark's layout; LUFFY's wording."""
    if benchmark.layout is None or problem.options is None:
        return problem.question
    letters = LETTERS[: len(problem.options)]
    options = "\n".join(f"{a}) {text}" for a, text in zip(letters, problem.options, strict=True))
    if benchmark.layout == "lines":
        return f"{problem.question}\n\n{options}\n"
    return f"{INSTRUCTION.format(letters=letters)}\n\n{problem.question}\n\n{options}"


def _problem(row: Mapping[str, Any], where: str) -> Problem:
    for key in ("id", "question"):
        value = row.get(key)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{where}: {key} is missing or empty")
    try:
        answer = answer_of(row.get("answer"))
    except UnusableGold as error:
        raise DataError(f"{where}: answer is missing or empty: {error}") from None
    options = row.get("options")
    if options is not None and not (isinstance(options, (list, tuple)) and len(options) > 1):
        raise DataError(f"{where}: options must be null or a list of at least two")
    texts = None if options is None else tuple(_option(option, where) for option in options)
    extra = row.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise DataError(f"{where}: extra must be an object")
    return Problem(row["id"], row["question"], texts, answer, extra)


def _option(value: Any, where: str) -> str:
    try:
        return value if isinstance(value, str) else answer_of(value)
    except UnusableGold as error:
        raise DataError(f"{where}: options: {error}") from None


def _check_kind(problem: Problem, benchmark: Benchmark, where: str) -> None:
    """DataError where a problem cannot be judged as its benchmark is."""
    options = problem.options or ()
    if benchmark.grader != "choice":
        if options:
            raise DataError(
                f"{where}: has options, but {benchmark.name} is graded as mathematics; give it its own file"
            )
        return
    letters = LETTERS[: len(options)]
    if not letters or problem.answer not in letters:
        raise DataError(f"{where}: answer {problem.answer[:8]!r} is not one of the letters {letters!r}")
    if len(options) > len(LETTERS):
        raise DataError(f"{where}: {len(options)} options; at most {len(LETTERS)} have a letter")


def _checked(problems: list[Problem], source: str, ordered: int | None = None) -> list[Problem]:
    ids: set[str] = set()
    for number, problem in enumerate(problems, start=1):
        if problem.id in ids:
            raise DataError(f"{source}: problem {number}: id {problem.id!r} occurs twice")
        ids.add(problem.id)
    if not problems:
        raise DataError(f"{source}: no problems")
    if ordered not in (None, len(problems)):
        raise DataError(f"{source}: {len(problems)} problems, {ordered} are ordered; make the file again")
    return problems


def _local(benchmark: Benchmark, folder: str) -> Iterator[Row]:
    """Rows of `folder`/`file`; an archive is opened in memory only."""
    if benchmark.file is None:
        raise DataError(f"benchmarks.{benchmark.name}.file: missing; name the file inside data_dir")
    path = Path(folder) / benchmark.file
    content = read_bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    if benchmark.sha256 not in (None, digest):
        raise DataError(
            f"{path}: sha256 is {digest}, expected {benchmark.sha256}; "
            f"set benchmarks.{benchmark.name}.sha256 to null to use this file all the same"
        )
    if path.suffix == ".zip":
        content = _unpack(content, path)
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            where = f"{path}: line {number}"
            yield where, _local_row(_parse(line, where))


def _parse(line: bytes, where: str) -> dict[str, Any]:
    return as_object(parse_json(line, where), where)


def _unpack(content: bytes, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise DataError(f"{path}: {len(members)} files inside, expected one")
            with archive.open(members[0], pwd=PASSWORD) as stream:
                unpacked = stream.read(LARGEST_UNPACKED + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be opened ({error})") from None
    if len(unpacked) > LARGEST_UNPACKED:
        raise DataError(f"{path}: unpacks to more than {LARGEST_UNPACKED >> 20} MiB")
    return unpacked


def _local_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """`problem` or `question`, `answer`, perhaps `options`; flags of `source` go to `extra`."""
    source = row.get("source")
    source = source if isinstance(source, Mapping) else {}
    renamed = {"in_amc23_40": "in_amc23_40", "tnywr_relay": "relay"}
    extra = {new: source[old] for old, new in renamed.items() if old in source}
    if "category" in row:
        extra["category"] = row["category"]
    return {**row, "question": row.get("problem", row.get("question")), "extra": extra}


def _source(benchmark: Benchmark) -> Hub:
    if benchmark.hub is None:
        raise DataError(f"benchmarks.{benchmark.name}: needs data_dir (a local folder) or hub")
    return benchmark.hub


def _hub(benchmark: Benchmark) -> Iterator[Row]:
    """Rows of a hub data set, at the pinned revision if there is one."""
    hub = _source(benchmark)
    try:
        from datasets import load_dataset
    except ImportError:
        raise Unavailable(f"benchmark {benchmark.name}: install `datasets`, or give data_dir") from None
    try:
        data = load_dataset(hub.id, hub.config, split=hub.split, revision=hub.revision)
    except OSError as error:  # no network, no such data set, no access to a gated one
        reason = str(error).splitlines()[0]
        raise Unavailable(f"hub {hub.id}: {reason}; give data_dir to read a local copy") from None
    yield from hub_rows(benchmark, data)


def hub_rows(benchmark: Benchmark, data: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows of an upstream data set in our schema; ids are its row numbers."""
    hub = _source(benchmark)
    for index, row in enumerate(data):
        id = f"{benchmark.part_of or benchmark.name}-{index:04d}"
        columns = {column for column in hub.columns.values() if isinstance(column, str)}
        if missing := sorted(columns - row.keys()):
            raise DataError(f"hub {hub.id}: row {index}: no column {missing[0]!r}")
        answer = _answer_text(row[hub.columns["answer"]], f"hub {hub.id}: row {index}")
        options = None
        if "options" in hub.columns:
            options, answer = _hub_options(row, hub.columns["options"], answer, id)
        squeezed = {key: str(row.get(column, "")).replace(" ", "") for key, (column, _) in hub.flags.items()}
        extra = {key: text.replace(" ", "") in squeezed[key] for key, (_, text) in hub.flags.items()}
        yield (
            f"hub {hub.id}: row {index}",
            {"id": id, "question": row[hub.columns["question"]], "options": options, "answer": answer, "extra": extra},
        )


def _answer_text(value: Any, where: str) -> str:
    """Text of a gold answer; a list, as OlympiadBench has it, is joined by commas."""
    try:
        return ", ".join(map(answer_of, value)) if isinstance(value, (list, tuple)) else answer_of(value)
    except UnusableGold as error:
        raise DataError(f"{where}: answer: {error}") from None


def _hub_options(row: Mapping[str, Any], column: Any, answer: str, id: str) -> tuple[list[str], str]:
    """Options and the letter of the right one.

    Three shapes exist: one list (the answer is a letter), texts with labels (the answer is a label),
    and one column per option with the right one first, which are shuffled by a seed made of the id.
    """
    where = f"hub, {id}"
    if isinstance(column, (list, tuple)):
        if absent := [name for name in column if name not in row]:
            raise DataError(f"{where}: no column {absent[0]!r}")
        order = list(range(len(column)))
        random.Random(derive(0, "options", id)).shuffle(order)
        return [_option(row[column[i]], where).strip() for i in order], LETTERS[order.index(0)]
    value = row[column]
    if not isinstance(value, Mapping):
        value = {"text": value, "label": None}
    texts, labels = value.get("text"), value.get("label", ())
    if not isinstance(texts, (list, tuple)) or not isinstance(labels, (list, tuple, type(None))):
        raise DataError(f"{where}: {column} is no list of options")
    if labels is None:
        return list(texts), answer
    if answer not in labels or len(labels) != len(texts) or len(texts) > len(LETTERS):
        raise DataError(
            f"{where}: answer {answer[:8]!r} is not one of the {len(labels)} labels of {len(texts)} options"
        )
    return list(texts), LETTERS[list(labels).index(answer)]
