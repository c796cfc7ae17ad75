from pathlib import Path

import pytest

from red.errors import DataError
from red.evaluation.answers import AnswerLog, share_storage
from red.plumbing.storage import dump_json


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
    assert (tmp_path / "log.jsonl").read_text() == dump_json(answer("a", 0)) + "\n"


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


def test_damage_before_the_end_names_file_and_line(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    filled(path, ("a", 0), ("a", 1))
    path.write_text("{broken\n" + path.read_text())
    with pytest.raises(DataError, match=r"log.jsonl: line 1"):
        AnswerLog(path)


def test_appending_leaves_a_finished_file_that_shares_the_storage_alone(tmp_path: Path):
    finished, path = tmp_path / "final.jsonl", tmp_path / "log.jsonl"
    filled(finished, ("a", 0))
    share_storage(finished, path)
    before = finished.read_bytes()
    filled(path, ("a", 1))
    assert finished.read_bytes() == before
    assert set(AnswerLog(path).rows) == {("a", 0), ("a", 1)}
