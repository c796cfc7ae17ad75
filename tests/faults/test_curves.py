"""Logs that cannot be drawn, and a project on a disk that fills up."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from red import project
from tests.faults.case import named, refusal, succeed, table

pytestmark = pytest.mark.faults("bad input")
ROW = {"train/step": 0, "red/w": 1.0}
MANY = {"train/step": 0, **{f"m{number}": number for number in range(500)}}
LOGS: tuple[tuple[str, list[dict[str, Any]], str, str], ...] = (
    ("a step twice", [ROW, {**ROW, "red/w": 9.0}], "", r"metrics\.jsonl: line 2: step 0 is there twice"),
    ("a boolean for a step", [{**ROW, "train/step": True}], "", r"line 1: train/step 'True' is no number of a step"),
    ("a step of 2^63", [ROW, {**ROW, "train/step": 2**63}], "", r"line 2: train/step '9223372036854775808' is no"),
    ("a negative step", [{**ROW, "train/step": -1}], "", r"line 1: train/step '-1' is no number of a step"),
    ("a text for a step", [{**ROW, "train/step": "\x1b[2J"}], "", r"line 1: train/step '\\x1b\[2J' is no number"),
    ("no row", [], "", r"metrics\.jsonl: no number that can be drawn; name a run that has trained a step"),
    ("no metric", [{"train/step": 0}], "", r"metrics\.jsonl: no number that can be drawn"),
    ("texts for values", [{**ROW, "red/w": "x"}], "", r"metrics\.jsonl: no number that can be drawn"),
    ("values of hundreds of digits", [{**ROW, "red/w": 10**400}], "", r"metrics\.jsonl: no number that can be drawn"),
    ("500 metrics in one picture", [MANY], ",".join(list(MANY)[1:]), r"--metric: 500 are too many for one picture"),
)


@table("rows, metric, pattern", "plot: ", LOGS)
def test_logs(rows: list[dict[str, Any]], metric: str, pattern: str, tmp_path: Path, check):
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    check(pattern, ["plot", tmp_path / "metrics.jsonl", "--metric", metric, "--out", tmp_path / "x.png"])
    assert not (tmp_path / "x.png").exists()


@named("init: disk full: no folder of four is left, and the same command makes them all")
def test_full_project(tmp_path: Path, monkeypatch):
    copy = shutil.copytree

    def full(source: Path, target: Path, *more: Any, **options: Any) -> object:
        if Path(source).name == "slurm":
            raise shutil.Error([(str(source), str(target), str(OSError(errno.ENOSPC, "No space left on device")))])
        return copy(source, target, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(project.shutil, "copytree", full)
        assert "No space left on device" in refusal(["init", tmp_path / "mine"])
    assert not list((tmp_path / "mine").iterdir())
    succeed(["init", tmp_path / "mine"])
    assert {path.name for path in (tmp_path / "mine").iterdir()} == set(project.FOLDERS)
