"""The picture of the README: its lines of text stay apart, however long the names of the runs are."""

from dataclasses import replace

import pytest

from analysis.items import at_a_glance


@pytest.mark.parametrize("label", ["RED", "A run with a name that takes a lot of room"])
def test_no_statement_runs_into_its_number(study, label):
    named = replace(study, runs=tuple(replace(run, label=label) if run.name == "red" else run for run in study.runs))
    picture = at_a_glance.build(named).picture
    picture.draw_without_rendering()
    lines: dict[float, list] = {}
    for text in picture.axes[1].texts:
        lines.setdefault(text.get_position()[1], []).append(text.get_window_extent())
    assert len(lines) > 12
    for _, statement, number in lines.values():
        assert statement.x1 < number.x0
