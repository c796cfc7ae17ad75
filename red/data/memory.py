"""Tokenized and graded training problems, kept beside the prompts: tens of thousands of rows take minutes, and every
attempt of every run would wait for them with its GPUs idle.

A file is named by the hash of everything that it is made from, so a stale one is never read; all may be deleted.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from red.data.problems import ProblemSet
from red.methods.base import Problem
from red.plumbing.checksums import input_hash
from red.plumbing.provenance import spec_hash
from red.plumbing.sources import fingerprint, sources
from red.plumbing.storage import read_guarded, write_guarded

# pyarrow is imported where a file is read or written: the bench of a GPU has torch and transformers only.
if TYPE_CHECKING:
    import pyarrow as pa

MODULES = ("red.data.memory", "red.data.problems", "red.grading.reward")
LIBRARIES = ("tokenizers", "math-verify")
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "chat_template*")
TOKENS = ("prompt", "demonstration", "ends", "wrong")


def remembered(folder: Path, inputs: Mapping[str, Any], make: Callable[[], ProblemSet]) -> ProblemSet:
    """What `make` returned for these inputs and this code; a path among the inputs stands for its content."""
    path = folder / f"{_key(inputs)}.bin"
    found = _read(path) if path.exists() else None
    if found is None:
        found = make()
        _write(path, found)
    return found


def tokenizer_files(model: Path) -> list[Path]:
    """Everything in a model's folder that decides how a text becomes tokens."""
    return sorted({path for pattern in TOKENIZER for path in model.glob(pattern) if path.is_file()})


def _key(inputs: Mapping[str, Any]) -> str:
    code = {"code": fingerprint(*sources(*MODULES))} | {name: version(name) for name in LIBRARIES}
    return spec_hash(code | {name: _content(value) for name, value in inputs.items()})


def _content(value: Any) -> Any:
    if isinstance(value, Path):
        return input_hash(value)
    return [_content(part) for part in value] if isinstance(value, list) else value


def _schema() -> "pa.Schema":
    import pyarrow as pa

    words = {"id": pa.string(), "answer": pa.string(), "accuracy": pa.float64()}
    names = ("id", "prompt", "answer", "demonstration", "accuracy", "ends", "wrong")
    return pa.schema([(name, words.get(name, pa.list_(pa.int32()))) for name in names])


def _write(path: Path, problems: ProblemSet) -> None:
    """A folder that cannot be written costs time, not the training."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "id": problem.id,
            "prompt": problem.prompt,
            "answer": problem.answer,
            "demonstration": problem.demonstration,
            "accuracy": problem.demonstration_accuracy,
            "ends": problem.sentence_ends,
            "wrong": problem.wrong,
        }
        for problem in problems.problems
    ]
    about = {"counts": dict(problems.counts), "thought_open": problems.thought_open}
    table = pa.Table.from_pylist(rows, _schema().with_metadata({"red": json.dumps(about)}))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    try:
        write_guarded(path, buffer.getvalue())
    except OSError as error:
        print(f"{path}: {error.strerror}; the next start reads all texts again", file=sys.stderr)


def _read(path: Path) -> ProblemSet | None:
    """None if the file is damaged or may not be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        payload = read_guarded(path)
    except OSError:
        payload = None
    if payload is None:
        print(f"{path}: damaged; it is made again", file=sys.stderr)
        return None
    # Neither this nor from_dlpack imports pandas, unlike read_table and to_numpy: most of a second.
    table = pq.ParquetFile(pa.BufferReader(payload)).read()
    about = json.loads(table.schema.metadata[b"red"])
    columns = [_tokens(table, name) if name in TOKENS else table[name].to_pylist() for name in _schema().names]
    return ProblemSet(tuple(map(Problem, *columns)), about["counts"], about["thought_open"])


def _tokens(table: "pa.Table", name: str) -> Iterator[tuple[int, ...]]:
    """One tuple per row, by way of one array: row by row would take minutes again."""
    column = table[name].combine_chunks()
    values, offsets = (np.from_dlpack(array).tolist() for array in (column.flatten(), column.offsets))
    return (tuple(values[start:end]) for start, end in zip(offsets, offsets[1:], strict=False))
