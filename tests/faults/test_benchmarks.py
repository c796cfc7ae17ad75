"""Benchmark files, archives and answers that are damaged."""

import base64
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from red.errors import DataError
from red.evaluation import sealed
from red.evaluation.benchmarks import hub_rows
from red.evaluation.catalog import benchmark
from red.evaluation.generate import _settings_hash
from red.evaluation.spec import GenerationSpec
from red.models.folder import load_codec
from red.plumbing import checksums
from red.plumbing.checksums import folder_hash
from red.plumbing.records import from_mapping
from red.plumbing.storage import read_jsonl, write_jsonl
from tests.faults.case import named, succeed, table
from tests.faults.world import ENTRY, GENERATION, World, grade

pytestmark = pytest.mark.faults("bad input")
ROW: dict[str, Any] = {"id": "a", "question": "1 + 1", "options": None, "answer": "2", "extra": {}}
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
        r"math500: a: cannot be tokenized: the vocabulary has no 'quantum'",
    ),
)
# A sealed text: name, what is packed, pattern.
SEALED: tuple[tuple[str, bytes, str], ...] = (
    ("that unpacks to 300 MB", zlib.compress(bytes(300 << 20)), r"line 1: the sealed text unpacks to more than 16 MiB"),
    ("that is cut", zlib.compress(b'{"question": "1 + 1"}')[:-9], r"line 1: the sealed text is damaged; make the file"),
    ("that is no object", zlib.compress(b"[1]"), r"line 1: the sealed text is damaged; make the file"),
)
LOCAL = json.dumps({"id": "a", "problem": "1 + 1", "answer": "2"}).encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def damaged(content: bytes) -> bytes:
    middle = 40
    return content[:middle] + bytes(x ^ 0x5A for x in content[middle : middle + 8]) + content[middle + 8 :]


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
    ("archive truncated", "x.zip", lambda: zipped(("a", LOCAL))[:-30], {}, r"x\.zip: cannot be opened"),
    (
        "archive with a damaged member",
        "x.zip",
        lambda: damaged(zipped(("a", LOCAL * 50))),
        {},
        r"x\.zip: cannot be opened",
    ),
    (
        "archive of two files",
        "x.zip",
        lambda: zipped(("a", LOCAL), ("b", LOCAL)),
        {},
        r"x\.zip: 2 files inside, expected one",
    ),
    ("archive bomb", "x.zip", lambda: zipped(("a", bytes(300 << 20))), {}, r"x\.zip: unpacks to more than 256 MiB"),
)
# Answers that `red grade` reads: name, row, pattern.
ANSWER = {"id": "a", "index": 0, "response": r"\boxed{2}", "tokens": 3, "finish_reason": "stop"}
ANSWERS: tuple[tuple[str, object, str], ...] = (
    ("of another benchmark", {**ANSWER, "id": "zzz"}, r"'zzz' is not a problem of the benchmark"),
    ("without a response", {k: v for k, v in ANSWER.items() if k != "response"}, r"line 1: missing key 'response'"),
    ("response that is null", {**ANSWER, "response": None}, r"line 1: id and response must be texts"),
    ("id that is a list", {**ANSWER, "id": ["a"]}, r"line 1: id and response must be texts"),
    (
        "that lack a sample",
        ANSWER,
        r"generations\.jsonl: 1 of 2 rows are missing, first sample 1 of 'a'; generate again",
    ),
    ("of a sample that nobody ordered", {**ANSWER, "index": 2}, r"'a': index 2 is not one of 2 samples"),
    ("index that is a text", {**ANSWER, "index": "0"}, r"'a': index '0' is not one of 2 samples"),
)


def data_benchmark(folder: Path, file: str, out: Path, **changes: object) -> list[str]:
    """Arguments of `red data benchmark` for a local file."""
    spec = json.dumps({**ENTRY, "source": "x", "data_dir": str(folder), "file": file, **changes})
    return ["data", "benchmark", "--name", "x", "--spec", spec, "--out", str(out)]


@table("content, pattern", "benchmark: ", FILES)
def test_file(content: bytes, pattern: str, tmp_path: Path, world: World, check):
    (tmp_path / "math500.jsonl").write_bytes(content)
    check(pattern, world.generate(tmp_path / "out", benchmarks=tmp_path))


@table("stage", "benchmark: a problem less than ordered, ", [("answering", "generate"), ("grading", "grade")])
def test_short(stage: str, tmp_path: Path, world: World, check):
    """Nobody has listed its hash, as in a folder that was put together by hand."""
    (tmp_path / "math500.jsonl").write_text(json.dumps(ROW))
    head, option, spec, *rest = world.generate(tmp_path / "out", benchmarks=tmp_path)
    if stage == "grade":
        head, option, spec, *rest = grade(tmp_path, tmp_path)
    document = {**json.loads(spec), "benchmarks": {"math500": {**ENTRY, "rows": 2}}}
    check(r"math500\.jsonl: 1 problems, 2 are ordered; make the file", [head, option, json.dumps(document), *rest])


@table("packed, pattern", "benchmark: sealed text ", SEALED)
def test_sealed(packed: bytes, pattern: str, tmp_path: Path, world: World, check):
    row = {**ROW, "question": None, "sealed": base64.b64encode(sealed._mixed(packed, "a")).decode()}
    (tmp_path / "math500.jsonl").write_text(json.dumps(row))
    check(pattern, world.generate(tmp_path / "out", benchmarks=tmp_path))


@named("benchmark: no such file")
def test_missing_file(tmp_path: Path, world: World, check):
    check(r"math500\.jsonl: no such file", world.generate(tmp_path / "out", benchmarks=tmp_path))


@named("benchmark: a name that climbs")
def test_name(tmp_path: Path, world: World, check):
    folders = ["--model", world.base, "--data-dir", tmp_path, "--out", tmp_path / "out"]
    check(r"'\.\./\.\./x' is no name", ["evaluate", "--benchmarks", "../../x", "--template", "plain", *folders])


@table("file, content, changes, pattern", "benchmark source: ", SOURCES)
def test_source(
    file: str, content: Callable[[], bytes], changes: dict[str, object], pattern: str | None, tmp_path: Path, check
):
    (tmp_path / file).write_bytes(content())
    check(pattern, data_benchmark(tmp_path, file, tmp_path / "out.jsonl", **changes))


@named("benchmark source: no such file")
def test_missing_source(tmp_path: Path, check):
    check(r"x\.jsonl: no such file", data_benchmark(tmp_path, "x.jsonl", tmp_path / "out.jsonl"))


@named("benchmark source: archive member outside the target is not written")
def test_climbing_member(tmp_path: Path):
    """The archive's only member is called ../../escaped; its content is used, its name is not."""
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "x.zip").write_bytes(zipped(("../../escaped.jsonl", LOCAL)))
    succeed(data_benchmark(tmp_path / "a" / "deep", "x.zip", tmp_path / "a" / "out.jsonl"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "deep", "out.jsonl", checksums.NAME, "x.zip"]


@table("row, pattern", "answers: ", ANSWERS)
def test_answers(row: object, pattern: str, tmp_path: Path, check):
    (tmp_path / "math500.jsonl").write_text(json.dumps(ROW))
    (tmp_path / "math500.generations.jsonl").write_text(json.dumps(row))
    check(pattern, grade(tmp_path, tmp_path))


@named("answers: one of them twice")
def test_answer_twice(tmp_path: Path, check):
    (tmp_path / "math500.jsonl").write_text(json.dumps(ROW))
    (tmp_path / "math500.generations.jsonl").write_text(json.dumps(ANSWER) + "\n" + json.dumps(ANSWER))
    check(r"generations\.jsonl: 'a': sample 0 is there twice; generate again", grade(tmp_path, tmp_path))


@named("answers: made anew, the verdicts on the others are gone")
def test_stale_verdicts(tmp_path: Path, world: World):
    few = tmp_path / "benchmarks"
    write_jsonl(few / "math500.jsonl", list(read_jsonl(world.benchmarks / "math500.jsonl"))[:2])
    out, verdicts = tmp_path / "out", tmp_path / "out" / "math500.grades.jsonl"
    answer = world.generate(out, benchmarks=few)
    succeed(answer)
    succeed(grade(out, few))
    succeed(answer)
    assert verdicts.is_file(), "the same answers again"
    spec = {**GENERATION, "evaluation": {**GENERATION["evaluation"], "seed": 1}}
    succeed([*answer[:2], json.dumps(spec), *answer[3:]])
    assert not verdicts.exists()


@named("answer log with a damaged line: that answer is made again")
def test_log(tmp_path: Path, world: World, check):
    """Half of a log's line overwritten by a disk error."""
    spec = from_mapping(GenerationSpec, GENERATION, "spec")
    log = (
        tmp_path
        / "out"
        / "state"
        / f"math500.{_settings_hash(spec, load_codec(world.base), folder_hash(world.base))}.jsonl"
    )
    log.parent.mkdir(parents=True)
    log.write_bytes(b'{"id": "a", "ind\0\0\0\0\n')
    check(None, world.generate(tmp_path / "out"))
    assert len(log.read_bytes().splitlines()) == len(list(read_jsonl(tmp_path / "out" / "math500.generations.jsonl")))


OPTION = {"id": "b", "question": "1 + 1", "options": ["1", "2"], "answer": "B"}
LETTERED = {**OPTION, "options": [str(number) for number in range(27)]}
OWN: tuple[tuple[str, list[dict[str, Any]], str], ...] = (
    ("options after a problem without any", [ROW, OPTION], r"mine\.jsonl: line 2: has options, but mine is graded as"),
    ("no options after a problem with some", [OPTION, ROW], r"mine\.jsonl: line 2: answer '2' is not one of"),
    ("more options than letters", [LETTERED], r"mine\.jsonl: line 1: 27 options; at most 26 have a letter"),
)


@table("rows, pattern", "problems of one's own: ", OWN)
def test_own(rows: list[dict[str, Any]], pattern: str, tmp_path: Path, world: World, check):
    write_jsonl(tmp_path / "mine.jsonl", rows)
    config = ["--config", "config/default.yaml", "--backend", "local"]
    files = ["--problems", tmp_path / "mine.jsonl", "--out", tmp_path / "out"]
    check(pattern, ["evaluate", "--model", world.base, *config, *files])


HUB: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("options that are null", "arc_c", {"question": "?", "choices": None, "answerKey": "A"}, r"choices is no list"),
    (
        "answer that no label has",
        "arc_c",
        {"question": "?", "choices": {"text": ["1", "2"], "label": ["A", "B"]}, "answerKey": "E"},
        r"answer 'E' is not one of the 2 labels of 2 options",
    ),
    (
        "label less than options",
        "arc_c",
        {"question": "?", "choices": {"text": ["1", "2"], "label": ["A"]}, "answerKey": "A"},
        r"answer 'A' is not one of the 1 labels of 2 options",
    ),
    (
        "option that is not there",
        "gpqa_diamond",
        {"Question": "?", "Correct Answer": "1"},
        r"no column 'Incorrect Answer 1'",
    ),
)


@table("name, row, pattern", "data set of the hub: ", HUB)
def test_hub(name: str, row: dict[str, Any], pattern: str):
    with pytest.raises(DataError, match=pattern):
        list(hub_rows(benchmark(name), [row]))


@table(
    "options",
    "cases to grade: ",
    [
        ("options that are a number", {"options": 5}),
        ("options that are a text", {"options": "AB"}),
        ("a number of options that is a text", {"n_options": "4"}),
        ("27 options", {"n_options": 27}),
        ("a number of options that is a boolean", {"n_options": True}),
    ],
)
def test_cases(options: dict[str, Any], tmp_path: Path, check):
    case = {"id": "a", "response": "A", "gold": "A", **options}
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    arguments = ["grade", "--cases", tmp_path / "cases.jsonl", "--out", tmp_path / "verdicts.jsonl"]
    check(r"cases\.jsonl: line 1: options: expected a list of texts, or as n_options how many there are", arguments)
