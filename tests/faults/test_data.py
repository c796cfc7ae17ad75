"""Prompts and demonstrations that are damaged, and some that look strange and are fine."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.case import named, succeed, table
from tests.faults.runs import compare
from tests.faults.world import World, run_spec

pytestmark = pytest.mark.faults("bad input")
Spoil = Callable[[bytes], bytes]


def line(number: int, replacement: Callable[[dict], object]) -> Spoil:
    """Replace one row (from 1); bytes are taken as they are."""

    def spoil(content: bytes) -> bytes:
        lines = content.splitlines()
        line = replacement(json.loads(lines[number - 1]))
        lines[number - 1] = line if isinstance(line, bytes) else json.dumps(line).encode()
        return b"\n".join(lines) + b"\n"

    return spoil


def key(number: int, **changes: object) -> Spoil:
    return line(number, lambda row: {**row, **changes})


def without(number: int, key: str) -> Spoil:
    return line(number, lambda row: {k: v for k, v in row.items() if k != key})


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


PROMPTS: tuple[tuple[str, Spoil, str], ...] = (
    ("truncated in a row", lambda c: c[:-30], r"prompts\.jsonl: line 64: not valid JSON"),
    ("invalid UTF-8", line(5, lambda row: b'{"id": "\xff"}'), r"prompts\.jsonl: line 5: not UTF-8"),
    ("NUL byte", line(5, lambda row: b'{"id": "a\0b"}'), r"line 5: contains a NUL byte"),
    ("empty file", lambda c: b"", r"prompts\.jsonl: no usable problem"),
    ("row that is a list", line(2, lambda row: [1]), r"line 2: expected an object"),
    ("id twice", key(9, id="train-00000"), r"line 9: id 'train-00000' occurs twice"),
    (
        "id twice after a blank line",
        lambda c: b"\n" + key(9, id="train-00000")(c),
        r"line 10: id 'train-00000' occurs twice",
    ),
    ("id that is a number", key(3, id=7), r"line 3: id 7 is not a text"),
    ("id that is a list", key(3, id=["x"]), r"line 3: id \['x'\] is not a text"),
    ("no answer", without(4, "answer"), r"line 4: missing key 'answer'"),
    ("answer null", key(4, answer=None), r"line 4: answer: null is no answer"),
    ("answer blank", key(4, answer="  "), r"line 4: answer: an empty text is no answer"),
    ("answer that cannot be graded", key(4, answer="?!"), r"line 4: answer '\?!' cannot be graded"),
    ("question null", key(6, question=None), r"line 6: question is empty or not a text"),
    (
        "NaN for an answer",
        line(6, lambda row: b'{"id":"a","question":"b","answer":NaN}'),
        r"line 6: not valid JSON \(NaN",
    ),
    (
        "half a surrogate pair",
        line(6, lambda row: b'{"id":"a","question":"\\ud800","answer":"1"}'),
        r"line 6: not UTF-8",
    ),
    ("number of 5000 digits", line(6, lambda row: b'{"id":' + b"9" * 5000 + b"}"), r"line 6: not valid JSON"),
    ("endless nesting", line(6, lambda row: b"[" * 100000), r"line 6: not valid JSON"),
    ("line of 70 MB", line(6, lambda row: b'{"id": "' + b"x" * 70_000_000 + b'"}'), r"line 6: longer than 64 MiB"),
    (
        "word outside the vocabulary",
        key(8, question="quantum foam"),
        r"line 8: .*tokenized: the vocabulary has no 'quantum'",
    ),
    (
        "end token in a question",
        key(8, question="1<eos>2"),
        r"line 8: holds '<eos>', which this model reads as a control",
    ),
    (
        "number that overflows",
        line(6, lambda row: b'{"id":"a","question":"b","answer":1e999}'),
        r"line 6: not valid JSON \(1e999 is beyond the largest number",
    ),
)
DEMONSTRATIONS: tuple[tuple[str, Spoil, str], ...] = (
    ("truncated in a row", lambda c: c[:-30], r"clean\.jsonl: line 64: not valid JSON"),
    ("empty response", key(7, response=""), r"clean\.jsonl: line 7: empty demonstration"),
    ("blank response", key(7, response=" \n "), r"clean\.jsonl: line 7: empty demonstration"),
    ("response that is a list", key(7, response=["x"]), r"clean\.jsonl: line 7: empty demonstration"),
    ("id twice", key(9, id="train-00000"), r"clean\.jsonl: line 9: id 'train-00000' occurs twice"),
    ("forced accuracy of two", key(9, forced_accuracy=2), r"clean\.jsonl: line 9: forced_accuracy is null, 0 or 1"),
    ("forced accuracy that is a list", key(9, forced_accuracy=[1]), r"clean\.jsonl: line 9: forced_accuracy is"),
    ("of other prompts", lambda c: c.replace(b"train-", b"other-"), r"no usable problem .*no_demonstration"),
    (
        "word outside the vocabulary",
        key(8, response="quantum foam"),
        r"train-00007: .*tokenized: the vocabulary has no 'quantum'",
    ),
    ("no response", without(7, "response"), r"clean\.jsonl: line 7: missing key 'response'"),
    (
        "end token inside of a response",
        key(7, response="1<eos>2"),
        r"train-00006: holds '<eos>', which this model reads",
    ),
)
# Accepted: the run must equal the one on the clean files.
HARMLESS: tuple[tuple[str, Spoil], ...] = (
    ("CRLF", lambda c: c.replace(b"\n", b"\r\n")),
    ("byte-order mark", lambda c: b"\xef\xbb\xbf" + c),
    ("blank lines", lambda c: c.replace(b"\n", b"\n\n")),
    ("no newline at the end", lambda c: c.rstrip(b"\n")),
    ("other keys and their order", line(1, lambda row: {"note": "é", **dict(reversed(row.items()))})),
)


@table("spoil, pattern", "prompts: ", PROMPTS)
def test_prompts(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_bytes(spoil(world.prompts.read_bytes()))
    check(pattern, world.train(tmp_path / "run", run_spec("sft", steps=1), prompts=prompts))


@table("spoil, pattern", "demonstrations: ", DEMONSTRATIONS)
def test_demonstrations(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    demonstrations = tmp_path / "clean.jsonl"
    demonstrations.write_bytes(spoil(world.demonstrations.read_bytes()))
    check(pattern, world.train(tmp_path / "run", run_spec("sft", steps=1), demonstrations=demonstrations))


@pytest.fixture(scope="module")
def plain(world: World) -> Path:
    """A run on the clean files."""
    succeed(world.train(world.root / "whole" / "inputs", run_spec("sft", steps=1)))
    return world.root / "whole" / "inputs"


@table("spoil", "prompts: ", [(f"{name} accepted", spoil) for name, spoil in HARMLESS])
def test_harmless_prompts(spoil: Spoil, tmp_path: Path, world: World, plain: Path):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_bytes(spoil(world.prompts.read_bytes()))
    succeed(world.train(tmp_path / "run", run_spec("sft", steps=1), prompts=prompts))
    compare(plain, tmp_path / "run", inputs=False)


@named("demonstrations: longer than the limit are cut and counted")
def test_long_demonstrations(tmp_path: Path, world: World, remark):
    succeed(world.train(tmp_path / "run", run_spec("sft", steps=1, max_new_tokens=12)))
    counts = json.loads((tmp_path / "run" / "provenance.json").read_text())["data"]
    assert counts["demonstration_cut"] > 0
    remark(f"{counts['demonstration_cut']} of {counts['problems']} cut")


@named("prompts: all longer than the limit")
def test_long_prompts(tmp_path: Path, world: World, check):
    spec = run_spec("sft", max_prompt_tokens=2)
    check(r"no usable problem .*prompt_too_long", world.train(tmp_path / "run", spec))


@table(
    "name, pattern",
    "prompts: ",
    [("no such file", "none.jsonl", r"none\.jsonl: no such file"), ("a folder", ".", r": not a regular file")],
)
def test_missing_prompts(name: str, pattern: str, tmp_path: Path, world: World, check):
    check(pattern, world.train(tmp_path / "run", run_spec("sft"), prompts=tmp_path / name))


@table("make", "", [("prompts that are a pipe", os.mkfifo), ("prompts that never end", endless)])
def test_special_prompts(make: Callable[[Path], object], tmp_path: Path, world: World, check):
    make(tmp_path / "prompts.jsonl")
    arguments = world.train(tmp_path / "run", run_spec("sft"), prompts=tmp_path / "prompts.jsonl")
    check(r"prompts\.jsonl: not a regular file", arguments)


@table("end", "demonstrations: ", [("one end token at the end", "<eos>"), ("two, and a line end", "<eos><eos>\n")])
def test_ended_demonstrations(end: str, tmp_path: Path, world: World, plain: Path):
    """They are the demonstrations without it: a response has one end token."""
    demonstrations = tmp_path / "clean.jsonl"
    rows = [json.loads(row) for row in world.demonstrations.read_text().splitlines()]
    demonstrations.write_text("".join(json.dumps({**row, "response": row["response"] + end}) + "\n" for row in rows))
    succeed(world.train(tmp_path / "run", run_spec("sft", steps=1), demonstrations=demonstrations))
    compare(plain, tmp_path / "run", inputs=False)


@table(
    "spec, pattern",
    "spec: ",
    [
        ("not JSON", "{", r"--spec: not valid JSON"),
        ("a list", "[]", r"--spec: expected an object"),
        ("unknown key", '{"runs": 1}', r"spec\.runs: unknown key; did you mean 'run'"),
        ("seed that overflows", '{"seed": 1e999}', r"--spec: not valid JSON \(1e999 is beyond the largest number"),
    ],
)
def test_specs(spec: str, pattern: str, tmp_path: Path, world: World, check):
    arguments = world.train(tmp_path / "run", run_spec("sft"))
    check(pattern, [*arguments[:2], spec, *arguments[3:]])
