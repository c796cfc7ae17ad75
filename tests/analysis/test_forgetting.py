"""The items `forgetting` and `rotation`, and the rules of their tests, on an invented study."""

import numpy as np
import pytest

from analysis.listing import builder
from analysis.measures.compare import compare
from analysis.measures.derived.curve import study_of
from analysis.measures.derived.forgetting import peak, peaks_apart, recovered, restored, shares_fall
from analysis.measures.derived.rotation import phases_of
from analysis.parts.style import plt
from tests.fixtures import forgetting
from tests.fixtures.forgetting import CURVE, ENDS, PARTS

MATH, OUTSIDE = ("math500",), ("arc_c",)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def measured(**changes):
    tables = forgetting.tables(**changes)
    study = study_of(tables.of_item("forgetting", base=True))
    return compare(tables.scores(tables.runs)), study


def test_runs_are_sorted_by_what_they_are():
    _, study = measured()
    assert study.trunk.name == "sft"
    assert [(model.step, model.run.name) for model in study.curve] == [
        (0, "base"),
        (4, "sft_at_4"),
        (16, "sft_at_16"),
        (60, "sft"),
    ]
    assert [(model.step, model.run.name) for model in study.restarts] == [(step, f"grpo_at_{step}") for step in ENDS]
    (surgery,) = study.surgeries
    assert (surgery.late.name, surgery.donor.name, set(surgery.made)) == ("sft", "base", {"vectors", "values", "null"})


def test_peaks_apart_is_shown_and_its_opposite_seen():
    accuracy, study = measured()
    assert [peak(accuracy, study.curve, group).step for group in (MATH, OUTSIDE)] == [60, 0]
    assert peaks_apart(accuracy, study.curve, MATH, OUTSIDE).verdict == "shown"
    accuracy, study = measured(curve={step: pair[::-1] for step, pair in CURVE.items()})
    assert peaks_apart(accuracy, study.curve, MATH, OUTSIDE).verdict == "opposite"


def test_peaks_at_the_same_step_are_not_apart():
    accuracy, study = measured(curve={0: (10, 10), 4: (40, 40), 16: (20, 20), 60: (10, 10)})
    found = peaks_apart(accuracy, study.curve, MATH, OUTSIDE)
    assert (found.verdict, found.value.mean) == ("not shown", 0)


def test_a_share_is_of_what_was_lost_since_the_peak():
    """Of 70 points lost at step 60, 35 came back; of 40 at step 16, 20."""
    accuracy, study = measured()
    found = {model.step: recovered(accuracy, study, model, OUTSIDE) for model in study.restarts}
    assert found[60] == pytest.approx(35 / 70, abs=0.03) and found[16] == pytest.approx(20 / 40, abs=0.05)
    assert found[0] is None  # the base is the peak


def test_shares_that_fall_are_shown_and_those_that_rise_are_the_opposite():
    accuracy, study = measured()
    found = shares_fall(accuracy, study, "grpo", OUTSIDE)
    assert found.verdict == "not shown" and found.value.low < 0 < found.value.high
    falling = {0: (20, 88), 4: (30, 90), 16: (36, 70), 60: (42, 25)}
    accuracy, study = measured(ends=falling)
    found = shares_fall(accuracy, study, "grpo", OUTSIDE)
    assert found.verdict == "shown" and found.value.high < 0
    shares, doublings = np.array([10 / 10, 20 / 40, 5 / 70]), np.log2([4, 16, 60])
    assert found.value.mean == pytest.approx(np.polyfit(doublings, shares, 1)[0], abs=0.03)
    accuracy, study = measured(ends={0: (20, 88), 4: (30, 80), 16: (36, 65), 60: (42, 85)})
    assert shares_fall(accuracy, study, "grpo", OUTSIDE).verdict == "opposite"


def test_where_hardly_anything_was_lost_no_share_is_tested():
    flat = {step: (inside, 90) for step, (inside, _) in CURVE.items()}
    accuracy, study = measured(curve=flat)
    assert shares_fall(accuracy, study, "grpo", OUTSIDE).verdict.startswith("not testable")
    assert shares_fall(accuracy, study, "red", OUTSIDE).verdict == "not measured"


@pytest.mark.parametrize(
    ("parts", "verdicts"),
    [
        (PARTS, ["shown", "shown"]),
        ({"vectors": (12, 22), "values": (39, 80), "null": (5, 22)}, ["opposite", "not shown"]),
        ({"vectors": (12, 80), "values": (39, 22)}, ["shown", "not measured"]),
        ({**PARTS, "matrices": (12, 80)}, ["shown", "shown", "not shown"]),
        ({**PARTS, "matrices": (12, 95)}, ["shown", "shown", "opposite"]),
        ({**PARTS, "matrices": (12, 50)}, ["shown", "shown", "shown"]),
    ],
)
def test_restored_vectors_are_held_against_values_the_null_and_both(parts, verdicts):
    accuracy, study = measured(parts=parts)
    assert [one.verdict for one in restored(accuracy, study.surgeries[0], OUTSIDE)] == verdicts


def test_the_figure_tells_its_tests_and_writes_what_it_shows():
    result = builder("forgetting")(forgetting.tables())
    assert "Highest in domain at step 60. Highest out of domain at step 0." in result.caption
    assert "seeds 0, 1, 2" in result.caption and "GRPO: not shown." in result.caption
    numbers = result.numbers
    curve = numbers[(numbers["panel"] == "curve") & (numbers["group"] == "out_of_domain")]
    assert curve["step"].tolist() == [0, 4, 16, 60]
    assert curve["value"].tolist() == pytest.approx([90, 80, 50, 20], abs=2.5)
    assert (curve["low"] < curve["value"]).all() and (curve["seeds"] == 3).all()
    tests = numbers[numbers["panel"].str.startswith("test: ")]
    assert len(tests) == len(result.facts["tests"]) == 4
    titles = [axes.get_title(loc="left") for axes in result.picture.axes]
    assert titles[:3] == ["(a) In domain (mathematics)", "(b) Out of domain", "(c) SFT, donor base"]


def test_what_is_missing_is_shown_as_missing():
    gone = [("sft_null", seed) for seed in forgetting.SEEDS] + [("sft_at_4", 2), ("grpo_at_60", 1)]
    result = builder("forgetting")(forgetting.tables(missing=gone))
    assert {"SFT, null (all seeds)", "SFT-4 (seed 2)", "GRPO from sft (seed 1)"} <= set(result.facts["missing"])
    texts = [text.get_text() for axes in result.picture.axes for text in axes.texts]
    assert texts.count("missing") == 2  # of the null, in and out of domain
    assert "than a random change of the same norm, SFT: not measured" in result.caption


def test_rotation_is_claimed_beyond_the_null_only():
    tables = forgetting.tables()
    result = builder("rotation")(tables)
    numbers = result.numbers[result.numbers["matrix"] == "all"].set_index("run")
    assert numbers.loc["sft", "angle"] == pytest.approx(np.degrees(0.2))
    assert numbers.loc["sft_at_4", "angle_excess"] == pytest.approx(np.degrees(0.1))
    assert (numbers.loc["sft", "beyond"], numbers.loc["grpo_at_4", "beyond"]) == (1, 0)
    assert result.facts["claimed"]["sft"] and not result.facts["claimed"]["grpo_at_4"]
    assert "in every seed: SFT." in result.caption
    within = builder("rotation")(forgetting.tables(angle=0.12))
    assert "in every seed: none." in within.caption


def test_phases_are_trainings_with_their_snapshots():
    tables = forgetting.tables()
    phases = {phase.owner.name: phase for phase in phases_of(tables.of_item("rotation"), tables.runs)}
    assert [run.name for run in phases["sft"].models] == ["sft_at_4", "sft_at_16", "sft"] and not phases["sft"].is_rl
    assert {name: phase.start for name, phase in phases.items() if phase.is_rl} == {
        f"grpo_at_{step}": step for step in ENDS
    }


@pytest.mark.parametrize("item", ["forgetting", "rotation"])
def test_a_study_without_such_models_says_so(item, study):
    result = builder(item)(study)
    assert "not measured" in result.picture.axes[0].texts[0].get_text() and result.numbers.empty
