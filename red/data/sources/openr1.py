"""The paper's training set, OpenR1-Math-46k-8192 in LUFFY's layout, from the hub or a local folder.

A row holds `prompt` (system and user message), `target` (one assistant message: the demonstration),
and `reward_model.ground_truth`. Rows that cannot be used are counted by reason and reported, never lost silently.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from red.data.conversations import UnusableRow, question_of, text_of
from red.data.sources import Demonstration, Prompts, Refused
from red.errors import ConfigError, DataError
from red.grading.comparable import unreadable
from red.grading.gold import UnusableGold, answer_of
from red.grading.grader import Grader
from red.grading.math import is_usable
from red.plumbing.checksums import file_hash
from red.plumbing.partials import open_regular
from red.plumbing.records import from_mapping
from red.plumbing.storage import read_jsonl
from red.ranges import Count, Natural

GOLD = "reward_model.ground_truth"


@dataclass(frozen=True)
class PromptsSpec:
    """Where the rows are. `data_dir` with `file` (.parquet or .jsonl) wins over the hub.

    `revision` and `sha256` of None are not checked; the provenance then says what was found.
    `limit` keeps the first rows only, after `skip` rows.
    """

    source: str
    hub: str = "Elliott/Openr1-Math-46k-8192"
    revision: str | None = None
    split: str = "train"
    data_dir: str | None = None
    file: str = "openr1.parquet"
    sha256: str | None = None
    limit: Count | None = None
    skip: Natural = 0

    def held_out(self, count: int) -> "PromptsSpec":
        """The next `count` rows, which are no training prompts."""
        if self.limit is None:
            raise ConfigError("data.prompts.limit: name the first rows to train on, so that some are held out")
        return replace(self, skip=self.skip + self.limit, limit=count)


@dataclass(frozen=True)
class Row:
    """One problem as the data set has it; `demonstration` is empty where there is none."""

    id: str
    system: str
    question: str
    answer: str
    demonstration: str
    source: str


def prompts(spec: Mapping[str, Any]) -> Prompts:
    """The paper's prompts, each with its own system prompt.

    A gold that only looks usable would end a training: it is left out as `unparsed_answer`.
    """
    refused, found, without = Refused(), [], set()
    for row in rows(spec, refused):
        found.append({name: getattr(row, name) for name in ("id", "question", "answer", "source", "system")})
        if not row.demonstration:
            without.add(row.id)
    with Grader(lenient=False) as grader:
        broken = unreadable((prompt["answer"] for prompt in found), grader)
    place = _place(from_mapping(PromptsSpec, spec, "data"))
    for prompt in found:
        if prompt["answer"] in broken:
            message = f"{GOLD}: {prompt['answer']!r} cannot be compared with any other"
            refused.add("unparsed_answer", f"{place}: {prompt['id']}: {message}")
    kept = [prompt for prompt in found if prompt["answer"] not in broken]
    counts = {"no_demonstration": sum(prompt["id"] in without for prompt in kept)}
    return Prompts(kept, kept[0]["system"] if kept else "", counts, refused)


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> list[Demonstration]:
    """The R1 traces of the paper's data set."""
    prompt_ids = {row["id"] for row in prompts}
    location = {name: value for name, value in spec.items() if name != "seed"}
    return [
        Demonstration(row.id, row.demonstration)
        for row in rows(location, Refused())
        if row.id in prompt_ids and row.demonstration
    ]


def rows(spec: Mapping[str, Any], refused: Refused) -> Iterator[Row]:
    """Usable rows in order; the others go to `refused`. DataError names the row (from 0) whose nesting is not the
    data set's."""
    location = from_mapping(PromptsSpec, spec, "data")
    for index, raw in enumerate(_raw(location)):
        if location.limit is not None and index >= location.skip + location.limit:
            return
        if index < location.skip:
            continue
        place = f"{_place(location)}: row {index}"
        try:
            yield _row(index, raw)
        except UnusableRow as error:
            refused.add(error.kind, f"{place}: {error}")
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{place}: not in the layout of {location.hub} ({error!r})") from None


def _row(index: int, raw: Mapping[str, Any]) -> Row:
    system, question = question_of(list(raw["prompt"]))
    source = raw.get("data_source")
    return Row(
        id=f"openr1-{index:05d}",
        system=system,
        question=question,
        answer=_answer(raw["reward_model"]["ground_truth"]),
        demonstration=_demonstration(raw.get("target")),
        source=source if isinstance(source, str) else "",
    )


def _answer(value: Any) -> str:
    try:
        answer = answer_of(value)
    except UnusableGold as error:
        raise UnusableRow(f"answer_{error.kind}", f"{GOLD}: {error}") from None
    if not is_usable(answer):
        raise UnusableRow("unusable_answer", f"{GOLD}: {answer!r} holds no answer")
    return answer


def _demonstration(target: Any) -> str:
    messages = [] if target is None else list(target)
    if len(messages) > 1:
        raise UnusableRow("target_turns", f"target: {len(messages)} messages are not one response")
    content = messages[0]["content"] if messages else None
    return "" if content is None else text_of(content, "target")


def _place(location: PromptsSpec) -> str:
    return location.hub if location.data_dir is None else f"{location.data_dir}/{location.file}"


def _raw(location: PromptsSpec) -> Iterator[Mapping[str, Any]]:
    if location.data_dir is None:
        yield from _hub(location)
        return
    path = Path(location.data_dir) / location.file
    if not path.exists():
        raise DataError(f"{path}: no such file; put the data set there or remove data_dir")
    if location.sha256 is not None and file_hash(path) != location.sha256:
        raise DataError(f"{path}: its SHA-256 is not the one in the configuration; get the file again")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with open_regular(path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(batch_size=512):
                yield from batch.to_pylist()
    else:
        yield from read_jsonl(path)


def _hub(location: PromptsSpec) -> Iterator[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise DataError("the hub needs the package datasets: pip install '.[gpu]', or give data_dir") from None
    yield from load_dataset(location.hub, revision=location.revision, split=location.split)
