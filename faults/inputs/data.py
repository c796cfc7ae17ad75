"""Prompts and demonstrations that are damaged, and some that look strange and are fine."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.case import Attempt, Case, Command
from faults.resume import compare
from faults.world import World, run_spec

Spoil = Callable[[bytes], bytes]


def _line(number: int, replacement: Callable[[dict], object]) -> Spoil:
    """Replace one row (from 1); bytes are taken as they are."""

    def spoil(content: bytes) -> bytes:
        lines = content.splitlines()
        made = replacement(json.loads(lines[number - 1]))
        lines[number - 1] = made if isinstance(made, bytes) else json.dumps(made).encode()
        return b"\n".join(lines) + b"\n"

    return spoil


def _key(number: int, **changes: object) -> Spoil:
    return _line(number, lambda row: {**row, **changes})


def _without(number: int, key: str) -> Spoil:
    return _line(number, lambda row: {k: v for k, v in row.items() if k != key})


PROMPTS: tuple[tuple[str, Spoil, str], ...] = (
    ("truncated in a row", lambda c: c[:-30], r"prompts\.jsonl: line 64: not valid JSON"),
    ("invalid UTF-8", _line(5, lambda row: b'{"id": "\xff"}'), r"prompts\.jsonl: line 5: not UTF-8"),
    ("NUL byte", _line(5, lambda row: b'{"id": "a\0b"}'), r"line 5: contains a NUL byte"),
    ("empty file", lambda c: b"", r"prompts\.jsonl: no usable problem"),
    ("row that is a list", _line(2, lambda row: [1]), r"line 2: expected an object"),
    ("id twice", _key(9, id="train-00000"), r"line 9: id 'train-00000' occurs twice"),
    (
        "id twice after a blank line",
        lambda c: b"\n" + _key(9, id="train-00000")(c),
        r"line 10: id 'train-00000' occurs twice",
    ),
    ("id that is a number", _key(3, id=7), r"line 3: id 7 is not a text"),
    ("id that is a list", _key(3, id=["x"]), r"line 3: id \['x'\] is not a text"),
    ("no answer", _without(4, "answer"), r"line 4: missing key 'answer'"),
    ("answer null", _key(4, answer=None), r"line 4: answer is empty"),
    ("answer blank", _key(4, answer="  "), r"line 4: answer is empty"),
    ("answer that cannot be graded", _key(4, answer="?!"), r"line 4: answer '\?!' cannot be graded"),
    ("question null", _key(6, question=None), r"line 6: question is empty or not a text"),
    (
        "NaN for an answer",
        _line(6, lambda row: b'{"id":"a","question":"b","answer":NaN}'),
        r"line 6: not valid JSON \(NaN",
    ),
    (
        "half a surrogate pair",
        _line(6, lambda row: b'{"id":"a","question":"\\ud800","answer":"1"}'),
        r"line 6: not UTF-8",
    ),
    ("number of 5000 digits", _line(6, lambda row: b'{"id":' + b"9" * 5000 + b"}"), r"line 6: not valid JSON"),
    ("endless nesting", _line(6, lambda row: b"[" * 100000), r"line 6: not valid JSON"),
    ("line of 70 MB", _line(6, lambda row: b'{"id": "' + b"x" * 70_000_000 + b'"}'), r"line 6: longer than 64 MiB"),
    ("word outside the vocabulary", _key(8, question="quantum foam"), r"line 8: cannot be tokenized"),
)
DEMONSTRATIONS: tuple[tuple[str, Spoil, str], ...] = (
    ("truncated in a row", lambda c: c[:-30], r"clean\.jsonl: line 64: not valid JSON"),
    ("empty response", _key(7, response=""), r"clean\.jsonl: line 7: empty demonstration"),
    ("blank response", _key(7, response=" \n "), r"clean\.jsonl: line 7: empty demonstration"),
    ("response that is a list", _key(7, response=["x"]), r"clean\.jsonl: line 7: empty demonstration"),
    ("id twice", _key(9, id="train-00000"), r"clean\.jsonl: line 9: id 'train-00000' occurs twice"),
    ("forced accuracy of two", _key(9, forced_accuracy=2), r"clean\.jsonl: line 9: forced_accuracy is null, 0 or 1"),
    ("forced accuracy that is a list", _key(9, forced_accuracy=[1]), r"clean\.jsonl: line 9: forced_accuracy is"),
    ("of other prompts", lambda c: c.replace(b"train-", b"other-"), r"no usable problem .*no_demonstration"),
    ("word outside the vocabulary", _key(8, response="quantum foam"), r"train-00007: cannot be tokenized"),
    ("no response", _without(7, "response"), r"clean\.jsonl: line 7: missing key 'response'"),
)
# Accepted: the run must equal the one on the clean files.
HARMLESS: dict[str, Spoil] = {
    "CRLF": lambda c: c.replace(b"\n", b"\r\n"),
    "byte-order mark": lambda c: b"\xef\xbb\xbf" + c,
    "blank lines": lambda c: c.replace(b"\n", b"\n\n"),
    "no newline at the end": lambda c: c.rstrip(b"\n"),
    "other keys and their order": _line(1, lambda row: {"note": "é", **dict(reversed(row.items()))}),
}


def cases(kind: str) -> list[Case]:
    """One per line above, and the missing files."""
    spec = run_spec("sft")
    found = [Case(f"prompts: {n}", kind, partial(_train, "prompts", spoil), said) for n, spoil, said in PROMPTS]
    found += [
        Case(f"demonstrations: {name}", kind, partial(_train, "demonstrations", spoil), said)
        for name, spoil, said in DEMONSTRATIONS
    ]
    found += [Case(f"prompts: {name} accepted", kind, partial(_equal, spoil)) for name, spoil in HARMLESS.items()]
    found.append(Case("demonstrations: longer than the limit are cut and counted", kind, _cut))
    found.append(
        Case(
            "prompts: all longer than the limit",
            kind,
            lambda folder, world: Command.red(*world.train(folder / "run", run_spec("sft", max_prompt_tokens=2))),
            r"no usable problem .*prompt_too_long",
        )
    )
    found.append(
        Case(
            "prompts: no such file",
            kind,
            lambda folder, world: Command.red(*world.train(folder / "run", spec, prompts=folder / "none.jsonl")),
            r"none\.jsonl: No such file",
        )
    )
    found.append(
        Case(
            "prompts: a folder",
            kind,
            lambda folder, world: Command.red(*world.train(folder / "run", spec, prompts=folder)),
            r"Is a directory",
        )
    )
    found.append(
        Case(
            "spec: not JSON",
            kind,
            lambda folder, world: Command.red(*_with_spec(world.train(folder / "run", spec), "{")),
            r"--spec: not valid JSON",
        )
    )
    found.append(
        Case(
            "spec: a list",
            kind,
            lambda folder, world: Command.red(*_with_spec(world.train(folder / "run", spec), "[]")),
            r"--spec: expected an object",
        )
    )
    found.append(
        Case(
            "spec: unknown key",
            kind,
            lambda folder, world: Command.red(*_with_spec(world.train(folder / "run", spec), '{"runs": 1}')),
            r"spec\.runs: unknown key; did you mean 'run'",
        )
    )
    return found


def _with_spec(arguments: list[str], spec: str) -> list[str]:
    return [*arguments[:2], spec, *arguments[3:]]


def _spoiled(which: str, spoil: Spoil, folder: Path, world: World) -> Path:
    original = getattr(world, which)
    path = folder / original.name
    path.write_bytes(spoil(original.read_bytes()))
    return path


def _train(which: str, spoil: Spoil, folder: Path, world: World) -> Attempt:
    path = _spoiled(which, spoil, folder, world)
    return Command.red(*world.train(folder / "run", run_spec("sft", steps=1), **{which: path}))


def _equal(spoil: Spoil, folder: Path, world: World) -> Attempt:
    def attempt() -> None:
        from red.__main__ import main

        spec, plain = run_spec("sft", steps=1), world.root / "whole" / "inputs"
        if not plain.exists():
            assert main(world.train(plain, spec)) == 0
        path = _spoiled("prompts", spoil, folder, world)
        assert main(world.train(folder / "run", spec, prompts=path)) == 0
        compare(plain, folder / "run", inputs=False)

    return attempt


def _cut(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        from red.__main__ import main

        assert main(world.train(folder / "run", run_spec("sft", steps=1, max_new_tokens=12))) == 0
        counts = json.loads((folder / "run" / "provenance.json").read_text())["data"]
        assert counts["demonstration_cut"] > 0
        return f"{counts['demonstration_cut']} of {counts['problems']} cut"

    return attempt
