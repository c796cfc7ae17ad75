"""A study of somebody's own: nothing calls it tiny, and none of the paper's numbers stands beside its numbers."""

import json
import re
import shutil

import pytest

from analysis.items import reported_vs_measured
from analysis.listing import builder, listing
from analysis.output.item import Table
from red.tables.reader import load


@pytest.fixture(scope="module")
def own(collected, reported, tmp_path_factory):
    """The tables of the small study under a scale of its own, read with the paper's numbers at hand."""
    folder = tmp_path_factory.mktemp("own") / "collected"
    shutil.copytree(collected, folder)
    for name in ("runs.json",):
        rows = [row | {"scale": "mine"} for row in json.loads((folder / name).read_text())]
        (folder / name).write_text(json.dumps(rows))
    return load(folder, reported)


@pytest.mark.parametrize("name", sorted(set(listing()) - {"sweep", "sensitivity"}))
def test_no_item_calls_it_tiny_or_shows_the_papers_numbers(own, name):
    item = builder(name)(own)
    text = f"{item.title} {item.caption} {listing()[name].text}"
    assert not re.search(r"\btiny\b", text, re.IGNORECASE), text
    assert "mine" in item.title or name in ("methods", "propositions", "pipeline", "objective_forms", "offline_policy")
    if isinstance(item, Table):
        assert not [cell for row in item.rows for cell in row.cells if cell.reported]
    if "reported" in item.numbers and name != "reported_vs_measured":
        assert item.numbers["reported"].isna().all()


def test_what_compares_with_the_paper_has_nothing_to_compare(own):
    assert reported_vs_measured.build(own).numbers.empty
