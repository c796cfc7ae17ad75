"""Studies joined: no row is lost or changed but for its run's name, and what cannot be compared is refused."""

import json

import pyarrow.parquet as pq
import pytest

from red.__main__ import main
from red.tables.join import TABLES, join
from red.tables.reader import Study, load
from tests.fixtures.studies import write

SHARES = {"red": 0.5, "grpo": 0.25}


@pytest.fixture
def two(tmp_path):
    """Two studies that fit."""
    first = write(tmp_path / "one", {"name": "default"}, SHARES)
    return [first, write(tmp_path / "two", {"name": "high", "knob": "opener", "setting": 0.7}, SHARES, opener=0.5)]


def rows(folder, table):
    return pq.read_table(folder / f"{table}.parquet").to_pylist()


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_there_once_under_its_own_name(two, tmp_path, table):
    assert join(two, tmp_path / "joined") == ["default", "high"]
    expected = [
        row | {"run": f"{row['run']}@{name}"}
        for folder, name in zip(two, ("default", "high"), strict=True)
        for row in rows(folder, table)
    ]
    assert rows(tmp_path / "joined", table) == expected


def test_a_study_is_a_group_of_rows_and_can_be_had_again(two, tmp_path, reported):
    join(two, tmp_path / "joined")
    tables = load(tmp_path / "joined", reported)
    assert {run.row_group for run in tables.runs} == {"default", "high"}
    assert tables.studies == (Study("default"), Study("high", "opener", "0.7"))
    again, alone = tables.of_study(tables.studies[1]), load(two[1], reported)
    assert [run.name for run in again.runs] == [run.name for run in alone.runs]
    assert again.scores(again.runs).equals(alone.scores(alone.runs))
    assert again.probes("confidence", ["run", "value"]).equals(alone.probes("confidence", ["run", "value"]))


def edited(folder, file, edit):
    document = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps([edit(entry) for entry in document]))


def with_name(name):
    return lambda entry: entry | {"study": {"name": name}}


REFUSED = {
    "one name": (lambda two: edited(two[1], "runs.json", with_name("default")), "two: is named 'default' as"),
    "no name": (lambda two: edited(two[1], "runs.json", lambda e: {**e, "study": None}), "two: has no name; add"),
    "scale": (lambda two: edited(two[1], "runs.json", lambda e: e | {"scale": "paper"}), "two: scale paper"),
    "benchmark": (lambda two: edited(two[1], "benchmarks.json", lambda e: e | {"metric": "x"}), "two: benchmark amc"),
    "benchmarks": (lambda two: (two[1] / "benchmarks.json").write_text("[]"), "amc, which benchmarks.json does not"),
    "runs": (lambda two: (two[1] / "runs.json").write_text("{}"), "runs.json: expected a list"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(two, tmp_path, capsys, case):
    edit, words = REFUSED[case]
    edit(two)
    assert main(["join", *map(str, two), "--out", str(tmp_path / "joined")]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "joined").exists()


def test_other_problems_are_refused(two, tmp_path, capsys):
    few = write(tmp_path / "few", {"name": "few"}, SHARES, problems=20)
    assert main(["join", str(two[0]), str(few), "--out", str(tmp_path / "joined")]) == 2
    assert "few: amc has other problems or samples" in capsys.readouterr().err


def test_a_joined_table_is_no_study(two, tmp_path, capsys):
    join(two, tmp_path / "joined")
    assert main(["join", str(tmp_path / "joined"), "--out", str(tmp_path / "again")]) == 2
    assert "joined: is joined already, from default, high" in capsys.readouterr().err
    assert main(["join", *map(str, two), "--out", str(two[0])]) == 2
    assert "is a study to join" in capsys.readouterr().err
