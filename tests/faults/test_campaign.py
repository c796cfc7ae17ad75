"""The quick part of the campaign, one test per fault; `make faults` tries everything."""

import json
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest

from faults import campaign, fuzz
from faults.case import Case, Command, Outcome, outcome
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
    found = [
        Outcome("a", "numbers", "survived"),
        Outcome("b", "numbers", "lost", "why", faults=3),
        Outcome("c", "bad input", "untestable", "no disk"),
    ]
    document = campaign.save(found, 7, ["a", "b", "c"], tmp_path / "results.json")
    assert document["classes"]["numbers"] == {"tried": 4, "survived": 1, "lost": 3, "untestable": 0}
    assert document["classes"]["all"]["tried"] == 4
    page = campaign.page(document)
    assert "| numbers | 4 | 1 | 3 | 0 |" in page and "- c: no disk" in page
    assert json.loads((tmp_path / "results.json").read_text()) == document


def test_cases_that_are_not_tried_again_keep_their_outcome(tmp_path: Path):
    path = tmp_path / "results.json"
    campaign.save([Outcome("a", "numbers", "survived"), Outcome("gone", "numbers", "lost")], 7, ["a", "gone"], path)
    document = campaign.save([Outcome("b", "numbers", "survived")], 7, ["a", "b"], path)
    assert [case["name"] for case in document["cases"]] == ["a", "b"]


def test_what_is_not_refused_or_raises_counts_as_lost(tmp_path: Path, world: World):
    accepted = Case("accepted", "bad input", lambda folder, world: Command.red("grade", "--help"), "refused")
    raises = Case("raises", "bad input", lambda folder, world: lambda: str(1 / 0))
    assert outcome(accepted, tmp_path, world).result == "lost"
    assert outcome(raises, tmp_path, world).result == "lost"


def test_the_published_figures_have_nothing_lost(repository):
    document = json.loads(campaign.RESULTS.read_text())
    assert document["classes"]["all"]["lost"] == 0
    assert {case["name"] for case in document["cases"]} <= set(campaign.names(campaign.cases()))
    assert (campaign.HERE / "README.md").read_text() == campaign.page(document)
    assert campaign.table(document) in (repository / "README.md").read_text()
