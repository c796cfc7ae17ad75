"""`red collect` and the rule that calls it, with more runs than one argument of a command may name."""

import json

from red.__main__ import main
from red.study import jobs
from red.study.config import load

RUNS = 300
# Linux refuses a longer argument (MAX_ARG_STRLEN).
LONGEST_ARGUMENT = 131_072


def runs() -> dict[str, dict]:
    return {f"red_{number}": {"like": "red", "weight": {"low": number / 1000}} for number in range(RUNS)}


def test_a_spec_in_a_file_may_be_longer_than_an_argument(repository, tmp_path, capsys):
    (tmp_path / "overlay.yaml").write_text(json.dumps({"runs": runs()}))
    spec = jobs.collect_spec(load(repository / "config" / "default.yaml", tmp_path / "overlay.yaml"))
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert (tmp_path / "spec.json").stat().st_size > LONGEST_ARGUMENT
    arguments = ["--spec", f"@{tmp_path / 'spec.json'}", "--results", str(tmp_path)]
    assert main(["collect", *arguments, "--out", str(tmp_path / "out")]) == 0
    listed = json.loads((tmp_path / "out" / "runs.json").read_text())
    assert len([run for run in listed if run["run"].startswith("red_")]) >= 2 * RUNS
    assert f"0 of {len(listed)} runs collected" in capsys.readouterr().err


def test_a_spec_that_is_no_file_is_named(tmp_path, capsys):
    assert main(["collect", "--spec", f"@{tmp_path / 'none.json'}", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"red collect: {tmp_path / 'none.json'}: no such file\n"
