"""Problems that were read once: equal to those read again, and read again whenever anything differs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from red.data.memory import remembered, tokenizer_files
from red.data.problems import Limits, ProblemSet, load_problems
from red.models.folder import load_codec


def accepts(cases):
    return [float(len(response) % 2) for response, _, _ in cases]


@pytest.fixture
def read(tiny_world: Path):
    """`load_problems` on the small world."""
    codec = load_codec(tiny_world / "models" / "base")

    def load(limit: int = 30) -> ProblemSet:
        files = (tiny_world / "prompts.jsonl", tiny_world / "demonstrations" / "clean.jsonl")
        return load_problems(*files, codec, "plain", Limits(64, limit), accepts, False)

    return load


def never() -> ProblemSet:
    raise AssertionError("made again")


def test_what_is_remembered_equals_what_was_read(read, tmp_path):
    first = remembered(tmp_path, {"limit": 30}, read)
    assert any(problem.sentence_ends for problem in first.problems) and first.counts["demonstration_cut"] > 0
    assert remembered(tmp_path, {"limit": 30}, never) == first == read()
    paired = replace(first, problems=tuple(replace(p, wrong=p.prompt) for p in first.problems))
    remembered(tmp_path, {"wrong": True}, lambda: paired)
    assert remembered(tmp_path, {"wrong": True}, never) == paired
    # A problem without a demonstration has an empty one.
    bare = replace(first, problems=tuple(replace(p, demonstration=(), sentence_ends=()) for p in first.problems))
    remembered(tmp_path, {"limit": 0}, lambda: bare)
    assert remembered(tmp_path, {"limit": 0}, never) == bare


def test_another_content_setting_or_code_is_read_anew(read, tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("a")
    remembered(tmp_path / "p", {"rows": rows, "limit": 30}, read)
    remembered(tmp_path / "p", {"rows": rows, "limit": 30}, never)
    for change in (
        lambda: rows.write_text("b"),
        lambda: monkeypatch.setattr("red.data.memory.MODULES", ("red.seeds",)),
    ):
        change()
        with pytest.raises(AssertionError, match="made again"):
            remembered(tmp_path / "p", {"rows": rows, "limit": 30}, never)
    with pytest.raises(AssertionError, match="made again"):
        remembered(tmp_path / "p", {"rows": rows, "limit": 31}, never)


def test_a_damaged_file_is_made_again(read, tmp_path, capsys):
    first = remembered(tmp_path, {}, read)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 16
    file.write_bytes(content)
    assert remembered(tmp_path, {}, read) == first
    assert "damaged" in capsys.readouterr().err
    assert remembered(tmp_path, {}, never) == first


def test_a_place_that_cannot_be_written_costs_no_training(read, tmp_path, capsys):
    (tmp_path / "problems").write_text("a file where the folder should be")
    assert remembered(tmp_path / "problems", {}, read) == read()
    assert "reads all texts again" in capsys.readouterr().err


def test_the_tokenizer_of_a_model_is_all_that_decides_tokens(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors", "README.md"):
        (tmp_path / name).write_text("")
    names = [path.name for path in tokenizer_files(tmp_path)]
    assert names == ["chat_template.jinja", "tokenizer.json", "tokenizer_config.json"]


def test_reading_imports_no_pandas(read, tmp_path):
    """It would cost every training most of a second."""
    remembered(tmp_path, {}, read)
    code = (
        "import sys; from pathlib import Path; from red.data.memory import remembered;"
        "problems = remembered(Path(sys.argv[1]), {}, None); assert problems.problems;"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0
