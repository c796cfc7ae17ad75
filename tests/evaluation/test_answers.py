from pathlib import Path

import pytest

from red.evaluation.answers import AnswerLog, share_storage
from red.plumbing.storage import checked_line


def answer(id: str, index: int, response: str = "x\u2028y") -> dict:
    kept = {"tokens": 3, "finish_reason": "stop", "seed": 7, "prompt_hash": "0"}
    return {"id": id, "index": index, "response": response, **kept}


def filled(path: Path, *keys: tuple[str, int]) -> None:
    log = AnswerLog(path)
    for key in keys:
        log.add(answer(*key))
    log.close()


def test_answers_are_there_after_reopening(tmp_path: Path):
    filled(tmp_path / "log.jsonl", ("a", 0), ("a", 1))
    assert set(AnswerLog(tmp_path / "log.jsonl").rows) == {("a", 0), ("a", 1)}


def test_an_answer_is_on_disk_before_the_log_is_closed(tmp_path: Path):
    log = AnswerLog(tmp_path / "log.jsonl")
    log.add(answer("a", 0))
    assert (tmp_path / "log.jsonl").read_bytes() == checked_line(answer("a", 0))


@pytest.mark.parametrize("torn", ["{", '{"id":"b","index":0', '{"id":"b","index":0}'])
def test_a_torn_last_line_is_dropped_and_written_again(tmp_path: Path, torn: str):
    path = tmp_path / "log.jsonl"
    filled(path, ("a", 0))
    with path.open("a") as stream:
        stream.write(torn)
    log = AnswerLog(path)
    assert set(log.rows) == {("a", 0)}
    log.add(answer("b", 0, "whole"))
    log.close()
    assert AnswerLog(path).rows["b", 0]["response"] == "whole"


@pytest.mark.parametrize("old, new", [(b'"tokens":3', b'"tokens":2'), (b'"id":"b"', b'"id":"c"'), (b"{", b"[")])
def test_a_damaged_line_is_said_and_written_again(tmp_path: Path, old: bytes, new: bytes, capsys):
    path = tmp_path / "log.jsonl"
    filled(path, ("a", 0), ("b", 0), ("c", 0))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(old, new, 1) + lines[2])
    log = AnswerLog(path)
    assert set(log.rows) == {("a", 0), ("c", 0)}
    assert "log.jsonl: line 2: " in capsys.readouterr().err
    log.add(answer("b", 0, "again"))
    log.close()
    assert [row["response"] for row in AnswerLog(path).rows.values()] == ["x\u2028y", "x\u2028y", "again"]
    assert not capsys.readouterr().err


def test_appending_leaves_a_finished_file_that_shares_the_storage_alone(tmp_path: Path):
    finished, path = tmp_path / "final.jsonl", tmp_path / "log.jsonl"
    filled(finished, ("a", 0))
    share_storage(finished, path)
    before = finished.read_bytes()
    filled(path, ("a", 1))
    assert finished.read_bytes() == before
    assert set(AnswerLog(path).rows) == {("a", 0), ("a", 1)}
