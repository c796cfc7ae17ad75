"""Studies joined: what a setting comes to, the order of the runs, and where it is not the reference's."""

import pytest

from analysis.items.sensitivity import build
from analysis.measures.conditions import changes, conditions, reference, settings
from analysis.parts.style import plt
from red.tables.join import join
from red.tables.reader import load
from tests.fixtures.studies import write

USUAL = {"red": 0.8, "mix_policy": 0.6, "luffy": 0.5, "sft_dapo": 0.9}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def joined(tmp_path_factory, reported):
    """joined(study, study, ...): the tables of these studies; each is what `write` takes."""

    def make(*studies):
        root = tmp_path_factory.mktemp("studies")
        join([write(root / str(index), *study) for index, study in enumerate(studies)], root / "joined")
        return load(root / "joined", reported)

    return make


DEFAULT = ({"name": "default"}, USUAL)
HIGH = ({"name": "high", "knob": "opener", "setting": 0.7}, {**USUAL, "mix_policy": 0.85}, 0.5)
MIDDLE = ({"name": "middle", "knob": "opener", "setting": 0.3}, USUAL, 0.1)
SHORT = ({"name": "short", "knob": "limit", "setting": 40}, USUAL, 0.01, 40)
SUMS = ({"name": "sums", "knob": "sums", "setting": "many"}, USUAL)


def test_a_study_has_its_own_rows_under_its_own_names(joined):
    first, second = conditions(joined(DEFAULT, HIGH))
    assert [run.name for run in second.runs] == list(USUAL)
    assert first.order(USUAL) == ["sft_dapo", "red", "mix_policy", "luffy"]
    assert second.order(USUAL) == ["sft_dapo", "mix_policy", "red", "luffy"]
    assert second.estimate("mix_policy").mean == pytest.approx(0.85)


def test_settings_stand_in_the_order_of_what_they_come_to_with_the_default_among_them(joined):
    found = settings(conditions(joined(HIGH, SHORT, DEFAULT, MIDDLE, SUMS)))
    names = {knob: [point.condition.study.name for point in points] for knob, points in found.items()}
    assert names == {
        "opener": ["default", "middle", "high"],
        "limit": ["short", "default"],
        "sums": ["default", "sums"],  # nothing is known of it: the reference first
    }
    assert [point.measured for point in found["opener"]] == pytest.approx([0.01, 0.1, 0.5])
    assert [point.measured for point in found["limit"]] == [40, 50]


def test_only_pairs_that_changed_places_are_changes(joined):
    studies = conditions(joined(DEFAULT, HIGH, MIDDLE))
    (change,) = changes(studies, list(USUAL))
    assert (change.condition.study.name, change.above, change.below) == ("high", "mix_policy", "red")
    assert change.here.mean == pytest.approx(0.05) and change.there.mean == pytest.approx(-0.2)


def test_a_change_is_clear_where_neither_interval_holds_0(joined):
    def clear(mix_policy, red):
        other = ({"name": "other", "knob": "limit", "setting": 9}, {**USUAL, "mix_policy": mix_policy, "red": red})
        (change,) = changes(conditions(joined(DEFAULT, other)), ["red", "mix_policy"])
        return change.is_clear

    assert clear(0.9, 0.2) and not clear(0.825, 0.8)


def test_without_a_reference_nothing_is_compared(joined):
    tables = joined(HIGH, MIDDLE)
    assert reference(conditions(tables)) is None and changes(conditions(tables), list(USUAL)) == []
    assert "Where the order changes is not measured." in build(tables).caption


def test_the_caption_names_changes_what_stays_and_what_is_missing(joined):
    part = ({"name": "part", "knob": "limit", "setting": 40}, {"red": 0.8, "luffy": 0.5}, 0.01, 40)
    figure = build(joined(DEFAULT, HIGH, MIDDLE, part))
    assert "the highest first: SFT_DAPO, RED, MIX_POLICY, LUFFY." in figure.caption
    assert "Opener 0.7: MIX_POLICY above RED by +5.0" in figure.caption
    assert "The same order: Opener 0.3." in figure.caption
    assert "Not all of these measured: Response limit 40." in figure.caption
    assert figure.facts["orders"]["part"] == ["red", "luffy"]
    assert [change["study"] for change in figure.facts["changes"]] == ["high"]
    assert {"mix_policy (all seeds) of part", "sft_dapo (all seeds) of part"} <= set(figure.facts["missing"])


def test_the_numbers_hold_every_method_and_what_was_measured_of_each_world(joined):
    numbers = build(joined(DEFAULT, HIGH)).numbers
    accuracy = numbers[numbers["metric"] == "accuracy"].set_index(["study", "run"])
    assert accuracy.loc[("high", "mix_policy"), "value"] == pytest.approx(85)
    assert accuracy.loc[("default", "mix_policy"), "value"] == pytest.approx(60)
    assert accuracy.loc[("high", "luffy"), "comes_to"] == pytest.approx(0.5)
    world = numbers[numbers["metric"] == "P11"].set_index("study")["value"]
    assert world.to_dict() == pytest.approx({"default": 0.01, "high": 0.5})


def test_the_default_is_marked_in_every_panel(joined):
    picture = build(joined(DEFAULT, HIGH, MIDDLE, SHORT)).picture
    panels = [each for each in picture.axes if each.axison]
    assert [[text.get_text() for text in each.get_xticklabels()] for each in panels] == [
        ["0.01\n(default)", "0.1\n(0.3)", "0.5\n(0.7)"],
        ["40", "50\n(default)"],
    ]
    assert [len(each.patches) for each in panels] == [1, 1]


def test_a_study_alone_shows_as_not_measured(tmp_path, reported):
    figure = build(load(write(tmp_path / "alone", None, USUAL), reported))
    assert "studies with other settings (not measured)" in figure.facts["missing"]
    assert [text.get_text() for text in figure.picture.axes[0].texts] == ["not measured: no other study is joined"]
    assert set(figure.numbers["study"]) == {"this study"}
