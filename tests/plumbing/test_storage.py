"""Products: what they may replace, what is found of damage, and the names that they have until they are whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from red.errors import DataError
from red.plumbing import checksums
from red.plumbing.partials import partial_of, remove_partials
from red.plumbing.storage import (
    checked_line,
    numbered_jsonl,
    only_here,
    parse_row,
    product,
    read_json,
    read_text,
    write_atomic,
    write_directory,
    write_json,
    write_jsonl,
)


def fill(folder: Path) -> None:
    (folder / "a").write_text("a")
    (folder / "deep").mkdir()
    (folder / "deep" / "b").write_text("b")


def test_a_product_may_be_replaced_and_is_listed_as_sha256sum_reads_it(tmp_path):
    for text in ("one", "two"):
        write_atomic(tmp_path / "x.txt", text)
    write_json(tmp_path / "y.json", {})
    assert (tmp_path / "x.txt").read_text() == "two"
    done = subprocess.run(["sha256sum", "--check", checksums.NAME], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "x.txt: OK\ny.json: OK\n", done


FOREIGN = {
    "a file of a user": lambda path: path.write_text("mine"),
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a link to a file": lambda path: (path.with_name("other").write_text("mine"), path.symlink_to("other")),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a product that was changed": lambda path: (write_atomic(path, "x"), path.write_text("mine")),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_no_file_replaces_what_is_foreign(tmp_path, make):
    path = tmp_path / "x"
    make(path)
    before = state(tmp_path)
    for write in (lambda: write_atomic(path, "new"), lambda: write_jsonl(path, [{}]), lambda: product(path)):
        with pytest.raises(DataError, match="x: "):
            write()
    assert state(tmp_path) == before


FOREIGN_FOLDERS = {
    "a folder of a user": lambda path: (path.mkdir(), (path / "mine").write_text("mine")),
    "a folder of folders": lambda path: (path / "deep").mkdir(parents=True) or (path / "deep" / "mine").touch(),
    "a folder with a link": lambda path: (path.mkdir(), (path / "link").symlink_to("/")),
    "a file": lambda path: path.write_text("mine"),
    "a link to an empty folder": lambda path: (path.with_name("other").mkdir(), path.symlink_to("other")),
    "a product with a file more": lambda path: (write_directory(path, fill), (path / "mine").touch()),
    "a product with a file more, deep": lambda path: (write_directory(path, fill), (path / "deep" / "mine").touch()),
    "a product with a file changed": lambda path: (write_directory(path, fill), (path / "a").write_text("mine")),
    "a mount point": lambda path: path.symlink_to("/proc"),
}


@pytest.mark.parametrize("make", FOREIGN_FOLDERS.values(), ids=FOREIGN_FOLDERS)
def test_no_folder_replaces_what_is_foreign(tmp_path, make):
    path = tmp_path / "x"
    make(path)
    before = state(tmp_path)
    with pytest.raises(DataError, match=r"x(/\S+)?: "):
        write_directory(path, fill)
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", [".", "", "..", "../here", "/", "/proc"])
def test_neither_the_current_folder_nor_one_above_nor_a_mount_point_is_replaced(tmp_path, name, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("HOME")
    for write in (lambda: write_directory(Path(name), fill), lambda: write_atomic(Path(name), "x")):
        with pytest.raises(DataError):
            write()
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_an_empty_home_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match="or a home"):
        write_directory(tmp_path, fill)


def test_a_whole_product_an_empty_folder_and_a_new_place_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "new"):
        write_directory(tmp_path / name, fill)
        (tmp_path / name / ".snakemake_timestamp").touch()
        assert sorted(checksums.listed(tmp_path / name)) == ["a", "deep/b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_folder_that_cannot_be_filled_leaves_the_old_one(tmp_path):
    write_directory(tmp_path / "x", fill)

    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        write_directory(tmp_path / "x", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x" / "a").exists()


def test_what_is_copied_into_a_new_folder_may_be_written_over(tmp_path):
    """As the config of a prepared model is."""

    def fill_and_patch(folder: Path) -> None:
        fill(folder)
        write_json(folder / "a", {})

    write_directory(tmp_path / "x", fill_and_patch)
    assert read_json(tmp_path / "x" / "a") == {} and sorted(checksums.listed(tmp_path / "x")) == ["a", "deep/b"]


def test_the_hash_of_a_folder_knows_what_was_written(tmp_path):
    write_directory(tmp_path / "x", fill)
    assert checksums.folder_hash(tmp_path / "x")
    (tmp_path / "x" / "note").write_text("another file changes the hash, and is nobody's fault")
    assert checksums.folder_hash(tmp_path / "x")
    (tmp_path / "x" / "deep" / "b").write_text("B")
    with pytest.raises(DataError, match="deep/b: changed since"):
        checksums.folder_hash(tmp_path / "x")
    (tmp_path / "x" / "deep" / "b").unlink()
    with pytest.raises(DataError, match="deep/b: missing"):
        checksums.folder_hash(tmp_path / "x")


READERS = {
    "x.json": lambda path: read_json(path),
    "x.txt": lambda path: read_text(path),
    "x.jsonl": lambda path: list(numbered_jsonl(path)),
}


@pytest.mark.parametrize("name", READERS)
def test_every_changed_byte_of_a_product_is_noticed(tmp_path, name):
    path, content = tmp_path / name, b'{"a":1.25}\n'
    write_atomic(path, content)
    before = READERS[name](path)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DataError, match=rf"^\S*{name}: "):
            READERS[name](path)
    path.write_bytes(content)
    assert READERS[name](path) == before


def test_every_changed_byte_of_a_checked_line_is_noticed_or_changes_nothing():
    row = {"id": "a", "value": 0.125, "text": 'x","crc32":"00000000"}'}
    line = checked_line(row)
    assert parse_row(line, "f") == row and json.loads(line)["value"] == 0.125
    noticed = 0
    for position in range(len(line)):
        changed = bytearray(line)
        changed[position] ^= 1
        try:
            assert {key: value for key, value in parse_row(bytes(changed), "f").items() if key in row} == row
        except DataError:
            noticed += 1
    assert noticed > len(line) - 20


def test_a_damaged_list_is_named(tmp_path):
    write_json(tmp_path / "x.json", {})
    (tmp_path / checksums.NAME).write_text("nonsense\n")
    with pytest.raises(DataError, match=rf"{checksums.NAME}: line 1: "):
        read_json(tmp_path / "x.json")


def test_a_list_that_is_a_pipe_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / checksums.NAME)
    (tmp_path / "x.json").write_text("1")
    assert read_json(tmp_path / "x.json") == 1 and checksums.folder_hash(tmp_path)


def test_what_is_not_listed_is_read(tmp_path):
    write_json(tmp_path / "x.json", {})
    (tmp_path / "y.json").write_text("[1]")
    assert read_json(tmp_path / "y.json") == [1]


def test_temporary_names_are_new_each_time_and_only_they_are_cleared_away(tmp_path):
    assert partial_of(tmp_path / "x") != partial_of(tmp_path / "x")
    partial_of(tmp_path / "x").write_text("half")
    partial_of(tmp_path / "y").mkdir()
    kept = (".x.77.partial", ".video.mp4.partial", "x.0123456789abcdef.partial", ".hidden")
    for name in kept:
        (tmp_path / name).touch()
    remove_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_temporary_name_that_is_taken_is_not_written_through(tmp_path, monkeypatch):
    """Not even by somebody who foresees it."""
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr("red.plumbing.partials.token_hex", lambda _: "0" * 16)
    (tmp_path / f".x.{'0' * 16}.partial").symlink_to("mine")
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "x", "new")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    (tmp_path / "lock").symlink_to("mine")
    with pytest.raises(OSError, match="lock"), only_here(tmp_path / "lock", "working"):
        pass
    assert not (tmp_path / "mine").exists()


def test_two_writers_of_one_folder_both_list_their_files(tmp_path):
    code = "import sys; from pathlib import Path; from red.plumbing.storage import write_json\n"
    code += "for i in range(40): write_json(Path(sys.argv[1]) / f'{sys.argv[2]}{i}.json', i)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(checksums.listed(tmp_path)) == 80


def state(folder: Path) -> dict[str, object]:
    """Everything in it."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else path.stat().st_mode
        for path in folder.rglob("*")
    }
