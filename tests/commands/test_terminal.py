"""What a terminal gives and takes: completion, less and more said, JSON for programs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from red import commands
from red.__main__ import main


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The completion script of bash."""
    command = [sys.executable, "-m", "red", "completion", "bash"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    path = tmp_path_factory.mktemp("completion") / "red.bash"
    path.write_text(done.stdout)
    return path


def completed(script: Path, *words: str, cwd: Path) -> set[str]:
    """What a tab behind the last word offers."""
    asked = f"COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}"
    function = '$(complete -p red | sed "s/.*-F \\([^ ]*\\).*/\\1/")'
    code = f'source "{script}"; {asked}; {function}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_tab_completes_commands(script, tmp_path):
    assert completed(script, "red", "", cwd=tmp_path) >= set(commands.names())
    assert completed(script, "red", "sta", cwd=tmp_path) == {"status"}


def test_a_tab_completes_options_of_every_command(script, tmp_path):
    for name in commands.names():
        assert "--help" in completed(script, "red", name, "--he", cwd=tmp_path), name
    assert {"--metric", "--results"} <= completed(script, "red", "plot", "--", cwd=tmp_path)


def test_a_tab_completes_files(script, tmp_path):
    (tmp_path / "problems.jsonl").touch()
    found = completed(script, "red", "evaluate", "--problems", "prob", cwd=tmp_path)
    assert found == {"problems.jsonl"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_reads_its_script(repository):
    done = subprocess.run([sys.executable, "-m", "red", "completion", "zsh"], cwd=repository, capture_output=True)
    assert subprocess.run(["zsh", "-n"], input=done.stdout).returncode == 0


@pytest.mark.parametrize("options", [["-q", "grade"], ["grade", "-q"], ["grade", "--quiet"]])
def test_a_quiet_command_says_results_and_errors_only(tmp_path, capsys, options):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1, "response": "\\\\boxed{2}", "gold": "2"}\n')
    files = ["--cases", str(rows), "--out", str(tmp_path / "out.jsonl")]
    assert main([*options, *files]) == 0
    assert capsys.readouterr().err == ""
    assert main(["grade", *files]) == 0
    assert capsys.readouterr().err == "1 right\n"
    assert main([*options, "--cases", "nowhere", "--out", str(tmp_path / "o")]) == 2
    assert capsys.readouterr().err == "red grade: nowhere: no such file\n"


def test_a_verbose_command_says_where_an_error_was_raised(tmp_path, capsys):
    assert main(["grade", "-v", "--cases", "nowhere", "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and "open_regular" in said
    assert said.splitlines()[-1] == "red grade: nowhere: no such file"


def test_compare_speaks_to_programs(collected, tmp_path, capsys):
    shutil.copytree(collected, tmp_path / "collected")
    assert main(["compare", "red", "sft", "--results", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["names"] == ["red", "sft"]
    assert {test["benchmark"] for test in said["tests"]} >= {"mean of math", "aime24"}
    assert all(test["low"] <= test["difference"] <= test["high"] for test in said["tests"])
