"""The campaign's figures: what is counted, what is kept, and that the published ones are of the cases there are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from red.plumbing.provenance import ROOT
from red.plumbing.storage import read_object
from tests.faults import record
from tests.faults.record import Outcome, save, save_load
from tests.faults.runs import ENVIRONMENT

HERE = Path(__file__).parent
CASES = """
import pytest

pytestmark = pytest.mark.faults("numbers", count=2)
named = lambda name: pytest.mark.parametrize([], [pytest.param(id=name)])

@named("good \\\\x07")
def test_good(remark): remark("as expected")

@pytest.mark.faults("bad input")
@named("bad")
def test_bad(): assert 1 == 2

@named("error")
def test_error(nothing): pass

@named("refused")
def test_refused(check): check("no such file", ["grade", "--help"])

@named("no disk")
def test_skipped(): pytest.skip("no right to mount")
"""


def pytest_faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Pytest on fault cases in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-m", "faults", "--record", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some cases beside a copy of the campaign's conftest."""
    folder = tmp_path_factory.mktemp("cases")
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "test_cases.py").write_text(CASES)
    return folder


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Those of results.json by name."""
    return {case["name"]: case for case in read_object(folder / "results.json")["cases"]}


def test_outcomes_of_pytest_are_kept_beside_the_cases(folder: Path):
    assert pytest_faults(str(folder)).returncode == 1
    outcomes = cases(folder)
    assert {name: (case["result"], case["kind"], case["faults"]) for name, case in outcomes.items()} == {
        "good \\x07": ("survived", "numbers", 2),
        "bad": ("lost", "bad input", 1),
        "error": ("lost", "numbers", 2),
        "refused": ("lost", "numbers", 2),
        "no disk": ("untestable", "numbers", 2),
    }
    assert outcomes["good \\x07"]["remark"] == "as expected"
    assert "1 == 2" in outcomes["bad"]["remark"]
    assert outcomes["no disk"]["remark"] == "no right to mount"


def test_a_part_updates_its_own_cases_and_those_that_are_gone_drop_out(folder: Path):
    save(folder, [Outcome("bad", "bad input", "survived"), Outcome("gone", "numbers", "lost")])
    assert pytest_faults(str(folder), "-k", "good").returncode == 0
    outcomes = cases(folder)
    assert "gone" not in outcomes and outcomes["bad"]["result"] == "survived"


def test_lost_faults_are_counted_and_shown(tmp_path: Path):
    outcomes = [
        Outcome("a", "numbers", "survived"),
        Outcome("b", "numbers", "lost", "why", faults=3),
        Outcome("c", "bad input", "untestable", "no disk"),
    ]
    document = save(tmp_path, outcomes)
    assert document["classes"]["numbers"] == {"tried": 4, "survived": 1, "lost": 3, "untestable": 0}
    assert document["classes"]["all"]["tried"] == 4
    page = (tmp_path / "README.md").read_text()
    assert "| numbers | 4 | 1 | 3 | 0 |" in page and "- b: why" in page and "- c: no disk" in page
    assert json.loads((tmp_path / "results.json").read_text()) == document


def test_a_load_figure_takes_the_place_of_an_older_one(tmp_path: Path):
    save(tmp_path, [Outcome("a", "numbers", "survived")])
    for seconds in (2.0, 1.0):
        save_load(tmp_path, {"what": "grading", "size": 1000, "seconds": seconds, "peak_mib": 60})
    document = read_object(tmp_path / "results.json")
    assert [row["seconds"] for row in document["load"]] == [1.0] and len(document["cases"]) == 1
    assert "| grading | 1,000 | 1.0 | 60 |" in (tmp_path / "README.md").read_text()


def test_the_published_figures_are_of_the_cases_there_are_and_nothing_is_lost(repository: Path):
    collected = pytest_faults("--collect-only", str(HERE))
    names = re.findall(r"^tests/faults/test_\w+\.py::test_\w+\[(.*)\]$", collected.stdout, flags=re.MULTILINE)
    document = read_object(HERE / "results.json")
    assert sorted(names) == sorted(case["name"].replace("\\", "\\\\") for case in document["cases"])
    assert document["classes"] == record.totals(document["cases"])
    assert document["classes"]["all"]["lost"] == 0
    assert (HERE / "README.md").read_text() == record.page(document)
    assert record.table(document) in (repository / "README.md").read_text()
