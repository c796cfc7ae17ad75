"""The quick part of the campaign, one test per fault; `make faults` tries everything."""

import json
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest

from faults import campaign, fuzz
from faults.case import Case, Outcome, outcome
from faults.world import World

QUICK = [case for case in campaign.cases() if case.quick]


@pytest.fixture(scope="session")
def world(tiny_world: Path) -> World:
    return World(tiny_world)


def survives(case: Case, folder: Path, world: World) -> None:
    with redirect_stderr(StringIO()):
        found = outcome(case, folder, world)
    if found.result == "untestable":
        pytest.skip(found.remark)
    assert found.result == "survived", found.remark


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_the_fault_is_survived(case: Case, tmp_path: Path, world: World):
    survives(case, tmp_path, world)


@pytest.mark.parametrize("case", fuzz.cases(campaign.SEED, fuzz.QUICK), ids=lambda case: case.name)
def test_the_property_holds(case: Case, tmp_path: Path, world: World):
    survives(case, tmp_path, world)


def test_lost_faults_are_counted_and_shown(tmp_path: Path):
    found = [Outcome("a", "numbers", "survived"), Outcome("b", "numbers", "lost", "why", faults=3),
             Outcome("c", "bad input", "untestable", "no disk")]  # fmt: skip
    document = campaign.save(found, 7, tmp_path / "results.json")
    assert document["classes"]["numbers"] == {"tried": 4, "survived": 1, "lost": 3, "untestable": 0}
    assert document["classes"]["all"]["tried"] == 4
    page = campaign.page(document)
    assert "| numbers | 4 | 1 | 3 | 0 |" in page and "- c: no disk" in page
    assert json.loads((tmp_path / "results.json").read_text()) == document


def test_a_case_that_should_be_refused_and_is_not_counts_as_lost(tmp_path: Path, world: World):
    case = Case("accepted", "bad input", lambda folder, world: lambda: None, "refused")
    assert outcome(case, tmp_path, world).result == "survived"  # a call judges itself
    wrong = Case("raises", "bad input", lambda folder, world: lambda: 1 / 0)
    assert outcome(wrong, tmp_path, world).result == "lost"


def test_the_published_figures_have_nothing_lost():
    document = json.loads(campaign.RESULTS.read_text())
    assert document["classes"]["all"]["lost"] == 0
    assert (campaign.HERE / "README.md").read_text() == campaign.page(document)
