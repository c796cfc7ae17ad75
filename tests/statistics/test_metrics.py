from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from red.statistics import metrics

# Two problems, four samples: 3 of 4 and 0 of 4 are right.
CORRECT = [[1, 0, 1, 1], [0, 0, 0, 0]]


def test_avg_at_k_is_the_mean_over_problems_and_samples():
    assert metrics.avg_at_k(CORRECT) == pytest.approx((3 / 4 + 0) / 2)


def test_pass_at_1_of_the_first_sample_reads_one_column():
    assert metrics.first_pass_at_1(CORRECT) == 0.5
    assert metrics.first_pass_at_1([[0, 1], [0, 1]]) == 0.0


def test_pass_at_2_of_three_right_in_four():
    # One wrong sample cannot fill a draw of two: the first problem always passes.
    assert metrics.pass_at_k(CORRECT, 2) == 0.5
    # 1 of 4 right: 1 - C(3, 2) / C(4, 2) = 1/2.
    assert metrics.pass_at_k([[1, 0, 0, 0]], 2) == pytest.approx(0.5)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.lists(st.integers(0, n), min_size=1), st.just(n), st.integers(1, n))
    )
)
def test_pass_at_k_equals_the_binomial_formula(case):
    right, n, k = case
    correct = [[1] * c + [0] * (n - c) for c in right]
    expected = np.mean([1 - comb(n - c, k) / comb(n, k) for c in right])
    assert metrics.pass_at_k(correct, k) == pytest.approx(expected)


def test_pass_at_1_is_avg_at_k():
    assert metrics.pass_at_k(CORRECT, 1) == pytest.approx(metrics.avg_at_k(CORRECT))


@pytest.mark.parametrize("k", [0, 5])
def test_pass_at_k_refuses_more_draws_than_samples(k):
    with pytest.raises(ValueError, match="between 1 and 4"):
        metrics.pass_at_k(CORRECT, k)


def test_majority_takes_the_most_frequent_answer():
    answers = [["7", "5", "5"], ["1", "2", "2"]]
    assert metrics.majority_at_k(answers, [[1, 0, 0], [0, 1, 1]]) == 0.5


def test_majority_shares_a_tie_whatever_the_order():
    assert metrics.majority_at_k([["7", "5"]], [[1, 0]]) == 0.5
    assert metrics.majority_at_k([["5", "7"]], [[0, 1]]) == 0.5


def test_majority_ignores_answers_that_could_not_be_read():
    assert metrics.majority_at_k([[None, None, "4"]], [[0, 0, 1]]) == 1.0
    assert metrics.majority_at_k([[None, None, None]], [[0, 0, 0]]) == 0.0


def test_majority_at_k_reads_the_first_k_samples():
    assert metrics.majority_at_k([["7", "5", "5"]], [[1, 0, 0]], k=1) == 1.0


def test_lengths_of_right_and_wrong_answers_are_kept_apart():
    tokens, correct = [[10, 20], [30, 40]], np.array([[1, 0], [0, 1]])
    assert metrics.mean_length(tokens) == 25
    assert metrics.mean_length_where(tokens, correct) == 25
    assert metrics.mean_length_where(tokens, 1 - correct) == 25
    assert metrics.mean_length_where(tokens, [[1, 1], [0, 0]]) == 15
    assert isnan(metrics.mean_length_where(tokens, np.zeros((2, 2))))


def test_share_of_truncated_answers():
    assert metrics.share([[True, False], [False, False]]) == 0.25


def test_an_empty_matrix_is_refused():
    with pytest.raises(ValueError, match="problems x samples"):
        metrics.avg_at_k([])
