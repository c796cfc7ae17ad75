"""`red status` in a terminal of any width."""

import json
import re
from pathlib import Path

import pytest

from red.__main__ import main

SHOWN = ("accuracy/rollout", "entropy/rollout", "entropy/demonstration", "red/w", "length/rollout", "loss/total")
NAMES = ("mix_policy_adversarial_chains", "red")


@pytest.fixture
def study(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command on runs that train, one with a long name."""
    monkeypatch.chdir(repository)
    for name in NAMES:
        log = tmp_path / "runs" / name / "seed0" / "state" / "metrics.jsonl"
        log.parent.mkdir(parents=True)
        log.write_text(json.dumps({"train/step": 0, **dict.fromkeys(SHOWN, 0.125)}) + "\n")
    overlay = {"only": list(NAMES), "seeds": [0], "probes": {}, "pathvars": {"results": str(tmp_path)}}
    (tmp_path / "overlay.yaml").write_text(json.dumps(overlay))
    return ["status", "--configfile", str(tmp_path / "overlay.yaml")]


@pytest.mark.parametrize(("width", "fewest"), [(80, 0), (110, 2), (150, 6)])
def test_names_and_steps_are_whole_and_as_many_metrics_as_fit(study, width, fewest, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(study) == 0
    table = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(len(line) <= width for line in table.splitlines()) and "…" not in table
    for name, steps in zip(NAMES, ("1/300", "1/300"), strict=True):
        (line,) = (line for line in table.splitlines() if f"│ {name} " in line)
        assert f" {steps} " in line and " 0/9 " in line
        assert line.count("0.125") >= fewest
