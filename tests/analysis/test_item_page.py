"""The page of an item: its numbers, its data, where they come from, and hostile text as text."""

import base64
import re

import pandas as pd
from matplotlib.figure import Figure as Picture

from analysis.output.item import Cell, Figure, Row, Table
from analysis.output.item_page import LARGEST, page

FACTS = {
    "title": "Title",
    "caption": "Caption <b>",
    "runs": [{"label": "RED", "steps": 4, "versions": {"0": {"spec_hash": "aa", "code": "bb", "commit": "cc"}}}],
}


def shown(*cells: Cell, label: str = "RED", **facts) -> str:
    columns = tuple(f"c{index}" for index in range(len(cells)))
    table = Table("T", "C", "Run", columns, (Row(label, cells),), pd.DataFrame())
    return page(table, "name", FACTS | facts, {"csv": "a\n1\n", "json": "{}"})


def test_a_cell_has_its_interval_mark_and_the_papers_number():
    text = shown(Cell("41.2", "[39.8, 42.6]", "41.6", "best"))
    assert '<span class="best">41.2</span><small>[39.8, 42.6]</small>' in text
    assert '<small class="paper">paper 41.6</small>' in text


def test_the_data_can_be_saved_from_the_page():
    found = re.search(r'download="name.csv" href="data:text/csv;base64,([^"]+)"', shown(Cell("1")))
    assert base64.b64decode(found[1]) == b"a\n1\n"


def test_a_page_stays_so_small_that_it_opens_inside_of_another():
    """Of large files the smallest are inside; the others are saved from beside the page."""
    figure = Figure("T", "C", Picture(), pd.DataFrame())
    sizes = {"svg": 500_000, "png": 150_000, "csv": 400_000, "pdf": 100_000, "json": 10}
    text = page(figure, "name", FACTS, {suffix: b"x" * size for suffix, size in sizes.items()})
    assert LARGEST / 2 < len(text) < LARGEST + 10_000
    assert '<img alt="Title" src="data:image/svg+xml;base64,' in text
    for suffix, inside in {"json": True, "pdf": True, "png": True, "csv": False, "svg": False}.items():
        assert (f'download="name.{suffix}" href="data:' in text) == inside
        assert (f'download="name.{suffix}" href="name.{suffix}"' in text) == (not inside)


def test_spec_code_and_commit_stand_below():
    assert "<td>RED</td><td>0</td><td>4</td><td>aa</td><td>bb</td><td>cc</td>" in shown(Cell("1"))


def test_without_trainings_there_is_no_list_of_them():
    assert "<details>" not in shown(Cell("1"), runs=[])


def test_hostile_text_is_text():
    hostile = "<script>alert(1)</script>"
    text = shown(Cell(hostile, hostile, hostile), label=hostile, title=hostile, caption=hostile + "{{ name }}")
    assert "<script" not in text and "{{ name }}" in text
    # Twice in the head and over the table, and once as what a screen reader calls it.
    assert text.count("&lt;script&gt;") == 8
