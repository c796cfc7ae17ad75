"""Benchmark files, archives and answers that are damaged."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.case import Attempt, Case, Command
from faults.world import ENTRY, World, generation

ROW = {"id": "a", "question": "1 + 1", "options": None, "answer": "2", "extra": {}}
# Files that `red generate` reads: name, content, pattern.
FILES: tuple[tuple[str, bytes, str], ...] = (
    ("empty", b"", r"math500\.jsonl: no problems"),
    ("truncated", b'{"id": "a", "quest', r"math500\.jsonl: line 1: not valid JSON"),
    ("invalid UTF-8", b'{"id": "\xff"}', r"line 1: not UTF-8"),
    ("no answer", json.dumps({**ROW, "answer": ""}).encode(), r"line 1: answer is missing or empty"),
    ("one option", json.dumps({**ROW, "options": ["x"]}).encode(), r"line 1: options must be null or a list"),
    ("extra that is a list", json.dumps({**ROW, "extra": [1]}).encode(), r"line 1: extra must be an object"),
    ("id twice", (json.dumps(ROW) + "\n" + json.dumps(ROW)).encode(), r"id 'a' occurs twice"),
    ("id that is a number", json.dumps({**ROW, "id": 3}).encode(), r"line 1: id is missing or empty"),
    (
        "word outside the vocabulary",
        json.dumps({**ROW, "question": "quantum foam"}).encode(),
        r"math500: a: cannot be tokenized",
    ),
)
LOCAL = json.dumps({"id": "a", "problem": "1 + 1", "answer": "2"}).encode()


def _zip(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


# Sources that `red data benchmark` reads: name, file, content, more of the spec, pattern (None: accepted).
SOURCES: tuple[tuple[str, str, Callable[[], bytes], dict, str | None], ...] = (
    ("byte-order mark and CRLF accepted", "x.jsonl", lambda: b"\xef\xbb\xbf" + LOCAL + b"\r\n", {}, None),
    ("wrong hash", "x.jsonl", lambda: LOCAL, {"sha256": "0" * 64}, r"x\.jsonl: sha256 is [0-9a-f]{64}, expected 0{64}"),
    ("right hash accepted", "x.jsonl", lambda: LOCAL, {"sha256": hashlib.sha256(LOCAL).hexdigest()}, None),
    ("fewer problems than expected", "x.jsonl", lambda: LOCAL, {"rows": 30}, r"1 problems for x, expected 30"),
    ("source that is a text", "x.jsonl", lambda: LOCAL[:-1] + b', "source": "tnywr_relay"}', {}, None),
    (
        "answer no option has",
        "x.jsonl",
        lambda: LOCAL[:-1] + b', "options": ["p", "q"]}',
        {"grader": "choice"},
        r"line 1: answer '2' is not one of the letters",
    ),
    ("not an archive", "x.zip", lambda: b"PK nothing", {}, r"x\.zip: cannot be opened"),
    ("archive truncated", "x.zip", lambda: _zip(("a", LOCAL))[:-30], {}, r"x\.zip: cannot be opened"),
    (
        "archive with a damaged member",
        "x.zip",
        lambda: _damaged(_zip(("a", LOCAL * 50))),
        {},
        r"x\.zip: cannot be opened",
    ),
    (
        "archive of two files",
        "x.zip",
        lambda: _zip(("a", LOCAL), ("b", LOCAL)),
        {},
        r"x\.zip: 2 files inside, expected one",
    ),
    ("archive bomb", "x.zip", lambda: _zip(("a", bytes(300 << 20))), {}, r"x\.zip: unpacks to more than 256 MiB"),
)
# Answers that `red grade` reads: name, row, pattern.
ANSWER = {"id": "a", "index": 0, "response": r"\boxed{2}", "tokens": 3, "finish_reason": "stop"}
ANSWERS: tuple[tuple[str, object, str], ...] = (
    ("of another benchmark", {**ANSWER, "id": "zzz"}, r"'zzz' is not a problem of the benchmark"),
    ("without a response", {k: v for k, v in ANSWER.items() if k != "response"}, r"line 1: missing key 'response'"),
    ("response that is null", {**ANSWER, "response": None}, r"line 1: id and response must be texts"),
    ("id that is a list", {**ANSWER, "id": ["a"]}, r"line 1: id and response must be texts"),
)


def _damaged(content: bytes) -> bytes:
    middle = 40
    return content[:middle] + bytes(x ^ 0x5A for x in content[middle : middle + 8]) + content[middle + 8 :]


def cases(kind: str) -> list[Case]:
    """One per line above, and names that lead elsewhere."""
    found = [Case(f"benchmark: {name}", kind, partial(_generate, content), said) for name, content, said in FILES]
    found += [
        Case(f"benchmark source: {name}", kind, partial(_source, file, make, more), said)
        for name, file, make, more, said in SOURCES
    ]
    found += [Case(f"answers: {name}", kind, partial(_grade, row), said) for name, row, said in ANSWERS]
    found.append(Case("benchmark source: archive member outside the target is not written", kind, _traversal))
    found.append(Case("benchmark: a name that climbs", kind, _climbing, r"'\.\./\.\./x' is no name"))
    found.append(
        Case(
            "benchmark: no such file",
            kind,
            lambda folder, world: Command.red(*_with(world.generate(folder / "out"), folder)),
            r"math500\.jsonl: no such file",
        )
    )
    found.append(
        Case(
            "benchmark source: no such file",
            kind,
            lambda folder, world: Command.red(
                "data",
                "benchmark",
                "--name",
                "x",
                "--spec",
                json.dumps({**ENTRY, "source": "x", "data_dir": str(folder), "file": "x.jsonl"}),
                "--out",
                folder / "out.jsonl",
            ),
            r"x\.jsonl: No such file",
        )
    )
    found.append(Case("answer log with a damaged line", kind, _log, r"math500\.[0-9a-f]+\.jsonl: line 1: "))
    return found


def _with(arguments: list[str], benchmarks: Path) -> list[str]:
    where = arguments.index("--benchmarks") + 1
    return [*arguments[:where], str(benchmarks), *arguments[where + 1 :]]


def _generate(content: bytes, folder: Path, world: World) -> Attempt:
    (folder / "math500.jsonl").write_bytes(content)
    return Command.red(*_with(world.generate(folder / "out"), folder))


def _source(file: str, make: Callable[[], bytes], more: dict, folder: Path, world: World) -> Attempt:
    (folder / file).write_bytes(make())
    spec = {**ENTRY, "source": "x", "data_dir": str(folder), "file": file, **more}
    return Command.red("data", "benchmark", "--name", "x", "--spec", json.dumps(spec), "--out", folder / "out.jsonl")


def _grade(row: object, folder: Path, world: World) -> Attempt:
    (folder / "math500.jsonl").write_text(json.dumps(ROW))
    (folder / "math500.generations.jsonl").write_text(json.dumps(row))
    return Command.red(*_with(world.grade(folder), folder))


def _traversal(folder: Path, world: World) -> Attempt:
    """The archive's only member is called ../../escaped; its content is used, its name is not."""

    def attempt() -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "x.zip").write_bytes(_zip(("../../escaped.jsonl", LOCAL)))
        spec = {**ENTRY, "source": "x", "data_dir": str(folder / "deep"), "file": "x.zip"}
        status, printed = Command.red(
            "data", "benchmark", "--name", "x", "--spec", json.dumps(spec), "--out", folder / "out.jsonl"
        ).run()
        assert status == 0, printed
        assert sorted(p.name for p in folder.rglob("*")) == ["deep", "out.jsonl", "x.zip"]
        assert not (folder.parent / "escaped.jsonl").exists()

    return attempt


def _climbing(folder: Path, world: World) -> Attempt:
    return Command.red(
        "evaluate", "--model", world.base, "--benchmarks", "../../x", "--data-dir", folder, "--out", folder / "out"
    )


def _log(folder: Path, world: World) -> Attempt:
    """Half of a log's line overwritten by a disk error."""
    from red.evaluation.generate import GenerationSpec, _settings_hash
    from red.plumbing.records import from_mapping
    from red.plumbing.storage import folder_hash

    spec = from_mapping(GenerationSpec, generation(), "spec")
    log = folder / "out" / "state" / f"math500.{_settings_hash(spec, folder_hash(world.base))}.jsonl"
    log.parent.mkdir(parents=True)
    log.write_bytes(b'{"id": "a", "ind\0\0\0\0\n')
    return Command.red(*world.generate(folder / "out"))
