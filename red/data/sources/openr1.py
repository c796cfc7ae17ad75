"""The paper's training set, OpenR1-Math-46k-8192 in LUFFY's layout, from the hub or a local folder.

A row holds `prompt` (system and user message), `target` (one assistant message: the demonstration),
and `reward_model.ground_truth`. Rows that cannot be used are counted by reason, never lost silently.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from red.data.sources import Demonstration, Prompts
from red.errors import ConfigError, DataError
from red.grading.grader import Case, Grader
from red.grading.math import is_usable
from red.grading.verdict import DATA_ERROR
from red.plumbing.records import from_mapping
from red.plumbing.storage import file_hash, read_jsonl

# Equal to no answer, and not settled by the cheap steps: the symbolic one has to read the gold.
_PROBE = r"\boxed{\sqrt{2} \xi_{7}}"


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
    limit: int | None = None
    skip: int = 0

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

    Counts and drops `unparsed_answer`: a gold that only looks usable would end a training as a data error.
    """
    counts: Counter[str] = Counter()
    prompt_rows = []
    with Grader(lenient=False) as grader:
        for row, verdict in grader.grade_rows(rows(spec, counts), lambda row: Case(_PROBE, row.answer)):
            if verdict.reason == DATA_ERROR:
                counts["unparsed_answer"] += 1
                counts["rows"] -= 1
                continue
            prompt_rows.append({name: getattr(row, name) for name in ("id", "question", "answer", "source", "system")})
    return Prompts(prompt_rows, prompt_rows[0]["system"] if prompt_rows else "", dict(counts))


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> list[Demonstration]:
    """The R1 traces of the paper's data set."""
    prompt_ids = {row["id"] for row in prompts}
    location = {name: value for name, value in spec.items() if name != "seed"}
    return [
        Demonstration(row.id, row.demonstration)
        for row in rows(location, Counter())
        if row.id in prompt_ids and row.demonstration
    ]


def rows(spec: Mapping[str, Any], counts: Counter[str]) -> Iterator[Row]:
    """Usable rows in order. Counts `unusable_answer` (dropped) and `no_demonstration` (kept).

    DataError names the row (from 0) whose nesting is not the data set's.
    """
    location = from_mapping(PromptsSpec, spec, "data")
    for index, raw in enumerate(_raw(location)):
        if location.limit is not None and index >= location.skip + location.limit:
            return
        if index < location.skip:
            continue
        row = _row(index, raw, location)
        if not is_usable(row.answer):
            counts["unusable_answer"] += 1
            continue
        counts["no_demonstration"] += not row.demonstration
        counts["rows"] += 1
        yield row


def _row(index: int, raw: Mapping[str, Any], location: PromptsSpec) -> Row:
    place = f"{location.data_dir or location.hub}: row {index}"
    try:
        messages = {message["role"]: message["content"] for message in raw["prompt"]}
        turns = raw.get("target")
        target = [] if turns is None else list(turns)
        return Row(
            id=f"openr1-{index:05d}",
            system=messages.get("system", ""),
            question=messages["user"],
            answer=str(raw["reward_model"]["ground_truth"]),
            demonstration=str(target[0]["content"] or "") if target else "",
            source=str(raw.get("data_source", "")),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{place}: not in the layout of {location.hub} ({error!r})") from None


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

        for batch in pq.ParquetFile(path).iter_batches(batch_size=512):
            yield from batch.to_pylist()
    else:
        yield from read_jsonl(path)


def _hub(location: PromptsSpec) -> Iterator[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise DataError("the hub needs the package datasets: pip install '.[gpu]', or give data_dir") from None
    yield from load_dataset(location.hub, revision=location.revision, split=location.split)
