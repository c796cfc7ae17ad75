import numpy as np
import pytest

from red.statistics.intervals import adjust, mean_interval, paired_difference, standard_errors


def rng(seed=0):
    return np.random.default_rng(seed)


def test_sampling_error_of_equal_problems_is_that_of_a_binomial():
    # Two problems with 2 of 4 right: s^2 = 1/3 each, so sampling^2 = (1/3) / (4 * 2); no spread between them.
    errors = standard_errors([[1, 1, 0, 0], [0, 0, 1, 1]])
    assert errors.sampling == pytest.approx((1 / 24) ** 0.5)
    assert errors.total == 0.0
    assert errors.problems == 0.0


def test_problem_error_of_certain_problems_is_the_whole_error():
    # Answers that never vary within a problem: total^2 = s^2 / 4 = (1/3) / 4.
    errors = standard_errors([[1, 1], [1, 1], [0, 0], [0, 0]])
    assert errors.sampling == 0.0
    assert errors.problems == errors.total == pytest.approx((1 / 12) ** 0.5)


def test_one_sample_leaves_only_the_total():
    errors = standard_errors([[1], [0], [1], [0]])
    assert np.isnan(errors.sampling) and np.isnan(errors.problems)
    assert errors.total == pytest.approx((1 / 12) ** 0.5)


def test_both_errors_add_up_over_many_draws():
    generator = rng()
    ability = generator.beta(2, 3, size=4000)
    errors = standard_errors(generator.random((4000, 8)) < ability[:, None])
    # Var of a Beta(2, 3) is 0.04; the mean of p(1 - p) is 0.2.
    assert errors.problems * 4000**0.5 == pytest.approx(0.2, rel=0.05)
    assert errors.sampling * (4000 * 8) ** 0.5 == pytest.approx(0.2**0.5, rel=0.02)


def test_the_interval_over_problems_has_the_width_of_the_normal_one():
    scores = np.tile([0.0, 1.0], 200)  # standard error 0.025
    interval = mean_interval(scores, rng())
    assert interval.mean == 0.5
    assert interval.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.003)
    assert interval.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.003)


def test_the_mean_over_benchmarks_is_unweighted():
    small, large = np.ones((1, 10)), np.zeros((1, 1000))
    interval = mean_interval([small, large], rng(), resamples=100)
    assert [interval.mean, interval.low, interval.high] == pytest.approx([0.5, 0.5, 0.5])


def test_resampling_seeds_widens_the_interval():
    one = np.tile([0.2, 0.8], 50)
    alike, apart = np.stack([one, one]), np.stack([one - 0.2, one + 0.2])
    widths = [i.high - i.low for i in (mean_interval(alike, rng()), mean_interval(apart, rng()))]
    assert widths[1] > 1.5 * widths[0]


def test_a_seed_is_drawn_once_for_all_benchmarks():
    # Seed 0 is good on one benchmark and bad on the other: drawn together, the mean never moves.
    scores = [np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])]
    interval = mean_interval(scores, rng(), resamples=200)
    assert [interval.low, interval.high] == pytest.approx([0.5, 0.5])


def test_a_paired_test_sees_a_small_constant_gain_between_unlike_problems():
    scores = rng(1).random((1, 100))
    gain = paired_difference(scores + 0.01, scores, rng(), resamples=2000)
    assert gain.mean == pytest.approx(0.01)
    assert gain.low == pytest.approx(0.01) and gain.high == pytest.approx(0.01)
    assert gain.p == pytest.approx(2 / 2001)


def test_no_difference_has_p_one():
    scores = rng(2).random((1, 50))
    assert paired_difference(scores, scores, rng(), resamples=500).p == 1.0


def test_the_paired_test_holds_its_level():
    generator = rng(3)
    p = [
        paired_difference(
            (generator.random((1, 60)) < 0.5).astype(float),
            (generator.random((1, 60)) < 0.5).astype(float),
            generator,
            resamples=500,
        ).p
        for _ in range(300)
    ]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.10


@pytest.mark.parametrize(("base", "training"), [(0.05, 0.05), (0.05, 0.0), (0.0, 0.02)])
def test_three_seeds_that_share_bases_are_enough_to_hold_the_level(base, training):
    """Each seed has a base, whose accuracy moves both runs; each training moves one of them."""
    generator = rng(6)

    def run(bases, difficulty):
        chance = bases[:, None] + generator.normal(0, training, 3)[:, None] + difficulty
        return generator.binomial(2, np.clip(chance, 0, 1)) / 2

    rejected = 0
    for _ in range(150):
        bases, difficulty = generator.normal(0.4, base, 3), generator.normal(0, 0.25, 200)
        pair = run(bases, difficulty), run(bases, difficulty)
        rejected += paired_difference(*pair, generator, resamples=300).p < 0.05
    assert rejected <= 0.12 * 150


def test_the_paired_test_agrees_with_the_normal_approximation():
    difference = np.zeros((1, 400))
    difference[0, :30], difference[0, 30:45] = 1, -1  # mean 0.0375, standard error about 0.01667
    found = paired_difference(difference, np.zeros((1, 400)), rng())
    assert found.p == pytest.approx(0.0245, abs=0.008)


def test_paired_scores_need_the_same_problems():
    with pytest.raises(ValueError, match="same problems"):
        paired_difference(np.zeros((1, 3)), np.zeros((1, 4)), rng())


def test_benchmarks_need_the_same_seeds():
    with pytest.raises(ValueError, match="same seeds"):
        mean_interval([np.zeros((1, 3)), np.zeros((2, 3))], rng())


def test_the_same_generator_gives_the_same_interval():
    scores = rng(4).random((3, 40))
    assert mean_interval(scores, rng(5)) == mean_interval(scores, rng(5))


def test_holm_steps_down_and_stays_monotone():
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1: 0.03, 0.06, then 0.04 raised to 0.06.
    assert adjust([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert adjust([0.9, 0.8]) == pytest.approx([1.0, 1.0])
