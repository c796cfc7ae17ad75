"""Worked numbers: loss, terms, advantages and gradients, and the schedules, to 1e-10.

`golden_losses.json` was computed by another program from the equations; it is written down, not made here.
"""

import copy
import json
from pathlib import Path

import pytest

from red.__main__ import main
from red.errors import DataError
from red.golden.check import SCHEMA, check

FILE = Path(__file__).with_name("golden_losses.json")
MORE = Path(__file__).with_name("golden_more.json")


@pytest.fixture(scope="module")
def document():
    return json.loads(FILE.read_text())


def test_every_golden_case_holds(document):
    results = check(document)
    assert len(results) == len(document["cases"]) == 43
    assert [r for r in results if r.problem] == []


def test_every_further_case_holds():
    results = check(json.loads(MORE.read_text()))
    assert len(results) == 29
    assert [r for r in results if r.problem] == []


def test_the_command_accepts_the_file_that_the_readme_names(repository, capsys):
    name = FILE.relative_to(repository)
    assert f"python -m red golden {name}" in (repository / "README.md").read_text()
    assert main(["golden", str(repository / name)]) == 0
    assert "loss            28 passed   0 failed" in capsys.readouterr().out


def test_a_changed_number_is_found_in_every_kind(document):
    changed = copy.deepcopy(document)
    for case in changed["cases"]:
        _nudge_first_number(case["expected"])
    assert all(r.problem for r in check(changed))


def test_an_unknown_kind_fails_and_the_command_exits_non_zero(tmp_path, capsys):
    case = {"id": "x", "kind": "astrology", "expected": {}}
    file = tmp_path / "golden.json"
    file.write_text(json.dumps({"schema": SCHEMA, "cases": [case]}))
    assert main(["golden", str(file)]) == 1
    assert "unknown kind 'astrology'" in capsys.readouterr().out


def test_another_schema_is_refused():
    with pytest.raises(DataError, match="red-golden/1"):
        check({"schema": "other/2", "cases": []})


def _nudge_first_number(value):
    """Add 1e-6 to the first float or int leaf, wherever it is."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            if _nudge_first_number(item):
                return True
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            value[key] = item + 1 if isinstance(item, int) else item + 1e-6
            return True
    return False
