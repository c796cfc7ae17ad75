"""Schedules with memory, against literal numbers."""

import math

import pytest

from red.golden.rules import sft_probability
from red.methods.base import overlong_penalty
from red.objective.spec import Mixture, Weight
from red.training.schedule import mixture_mu
from red.training.weight import StepEntropy, WeightSchedule, relative_change

RATIO = Weight("entropy_ratio")


def steps(spec, pairs, **options):
    schedule = WeightSchedule(spec, **options)
    return [schedule.step(number, StepEntropy(*pair)) for number, pair in enumerate(pairs)]


def test_the_first_step_has_weight_one_and_no_ratio():
    [first] = steps(RATIO, [(1.0, 2.0)])
    assert (first.w, first.raw, first.change_rollout, first.change_demonstration) == (1.0, None, None, None)


def test_what_nobody_says_is_zero():
    entropy = StepEntropy(1.0, 2.0)
    assert (entropy.rollout_se, entropy.demonstration_se, WeightSchedule(RATIO).seed) == (0.0, 0.0, 0)


def test_w_is_the_demonstrations_change_over_the_rollouts():
    """2.0 -> 1.5 is a quarter, 1.0 -> 1.1 a tenth."""
    _, second = steps(RATIO, [(1.0, 2.0), (1.1, 1.5)])
    assert (second.w, second.raw) == (pytest.approx(2.5), pytest.approx(2.5))
    assert (second.change_rollout, second.change_demonstration) == (pytest.approx(0.1), pytest.approx(0.25))


def test_w_is_clipped_but_its_ratio_is_kept():
    _, low = steps(RATIO, [(1.0, 1.0), (1.1, 1.05)])
    _, high = steps(RATIO, [(1.0, 1.0), (1.01, 1.5)])
    _, free = steps(Weight("entropy_ratio", low=0.0, high=None), [(1.0, 1.0), (1.01, 1.5)])
    assert (low.w, low.raw) == (1.0, pytest.approx(0.5))
    assert (high.w, high.raw) == (8.0, pytest.approx(50.0))
    assert free.w == pytest.approx(50.0)


def test_a_change_of_nothing_is_divided_by_the_floor():
    _, still = steps(Weight("entropy_ratio", high=None), [(1.0, 1.0), (1.0, 1.5)])
    assert still.w == pytest.approx(0.5 / 1e-6)
    assert still.change_rollout == 0.0


@pytest.mark.parametrize(("window", "reference"), [(1, 8.0), (2, 6.0), (3, 14 / 3), (9, 3.75)])
def test_the_reference_is_the_mean_of_the_last_steps(window, reference):
    pairs = [(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (8.0, 1.0), (10.0, 1.1)]
    found = steps(Weight("entropy_ratio", window=window), pairs)[-1]
    assert found.change_rollout == pytest.approx(abs(1 - 10 / reference))
    assert found.change_demonstration == pytest.approx(0.1)


def test_a_constant_is_its_value_and_still_measures_the_ratio():
    found = steps(Weight(value=3.0), [(1.0, 2.0), (1.1, 1.5)])
    assert [step.w for step in found] == [3.0, 3.0]
    assert found[1].raw == pytest.approx(2.5)


def test_controls_follow_the_weights_of_another_run():
    pairs = [(1.0, 1.0), (1.1, 1.5), (1.2, 1.1)] * 20
    source = [1.0, 2.0, 6.0]
    assert [s.w for s in steps(Weight("mean_of"), pairs, source=source)] == [3.0] * 60
    resampled = [s.w for s in steps(Weight("resampled_from"), pairs, source=source, seed=4)]
    assert set(resampled) == set(source)
    assert resampled == [s.w for s in steps(Weight("resampled_from"), pairs, source=source, seed=4)]
    assert resampled != [s.w for s in steps(Weight("resampled_from"), pairs, source=source, seed=5)]


@pytest.mark.parametrize("missing", [(None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.inf)])
def test_a_step_that_was_not_measured_keeps_w_and_the_references(missing):
    found = steps(RATIO, [(1.0, 2.0), (1.1, 1.5), missing, (1.21, 1.8)])
    assert [step.w for step in found] == pytest.approx([1.0, 2.5, 2.5, 2.0])
    assert found[2].raw is None


def test_a_ratio_that_is_no_number_keeps_the_last_w():
    """An entropy of exactly zero has no relative change: infinite over infinite."""
    found = steps(Weight("entropy_ratio", high=None), [(1.0, 1.0), (1.1, 1.5), (0.0, 0.0), (0.1, 0.1)])
    assert found[1].w == pytest.approx(5.0)
    assert found[3].w == found[2].w == pytest.approx(1.0)
    assert math.isnan(found[3].raw)
    infinite = steps(Weight("entropy_ratio", high=None), [(1.0, 0.0), (1.1, 0.5)])[1]
    assert infinite.raw == math.inf and infinite.w == 1.0
    assert steps(RATIO, [(1.0, 0.0), (1.1, 0.5)])[1].w == 8.0


def test_a_schedule_begins_with_w_one_before_its_first_step():
    assert WeightSchedule(RATIO).last == 1.0


def test_w_survives_a_round_trip_of_its_state():
    first = WeightSchedule(Weight("entropy_ratio", window=3))
    entropies = [StepEntropy(1.0 / (i + 1), 1.0 + 0.1 * i) for i in range(8)]
    for i in range(4):
        first.step(i, entropies[i])
    second = WeightSchedule(first.spec)
    second.load(first.state())
    assert [first.step(i, entropies[i]) for i in range(4, 8)] == [second.step(i, entropies[i]) for i in range(4, 8)]


def test_entropy_changes():
    assert relative_change(1.5, [1.0]) == 0.5
    assert relative_change(0.5, [1.0]) == 0.5
    assert relative_change(3.0, [1.0, 2.0, 3.0]) == 0.5
    assert relative_change(0.0, [0.0]) == 0.0
    assert relative_change(0.1, [0.0]) == math.inf


def test_mu_rises_to_the_peak_and_falls_along_half_a_cosine_to_the_valley():
    mixture = Mixture(warmup=4, decay=6, peak=0.8, valley=0.2)
    expected = [0.0, 0.2, 0.4, 0.6, 0.8, 0.5 + 0.3 * math.sqrt(0.75), 0.65, 0.5, 0.35, 0.5 - 0.3 * math.sqrt(0.75), 0.2]
    assert [mixture_mu(step, mixture) for step in range(11)] == pytest.approx(expected)
    assert mixture_mu(500, mixture) == 0.2
    assert mixture_mu(0, Mixture(warmup=0, decay=0, peak=0.9, valley=0.1)) == 0.1


def test_the_over_length_penalty_falls_over_the_buffer():
    lengths = [0, 6192, 6193, 7192, 8191, 8192, 9000]
    expected = [0.0, 0.0, -0.0005, -0.5, -0.9995, -1.0, -1.0]
    assert [overlong_penalty(n, 8192, 2000) for n in lengths] == pytest.approx(expected)


def test_sasr_weighs_the_two_norms():
    assert sft_probability(1.0, 3.0, 1.0) == 0.25
    assert sft_probability(1.0, 3.0, 3.0) == 0.1
