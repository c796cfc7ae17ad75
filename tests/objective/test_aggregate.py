"""Factors on tokens, by numbers worked out by hand."""

import pytest
import torch

from red.objective.aggregate import sequence_mean, token_factor
from red.objective.spec import Aggregation

MASK = torch.tensor([[1.0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("spec", "long", "short"),
    [
        (Aggregation("seq_mean"), 1 / 15, 1 / 5),
        (Aggregation("token_mean"), 1 / 8, 1 / 8),
        (Aggregation("const", length=10), 1 / 50, 1 / 50),
    ],
)
def test_factors_of_three_sequences_in_a_step_of_five_with_eight_tokens(spec, long, short):
    expected = MASK * torch.tensor([[long], [short], [0.0]])
    assert torch.allclose(token_factor(MASK, 5.0, 8.0, spec), expected)


@pytest.mark.parametrize("kind", ["seq_mean", "token_mean", "const"])
def test_a_step_without_tokens_has_factors_of_zero(kind):
    assert not token_factor(torch.zeros(2, 3), 0.0, 0.0, Aggregation(kind, length=4)).any()


def test_a_constant_divisor_needs_its_length():
    with pytest.raises(ValueError, match="response limit"):
        token_factor(MASK, 5.0, 8.0, Aggregation("const"))


def test_the_mean_of_a_sequence_is_over_its_counted_tokens():
    value = torch.arange(12.0).view(3, 4)
    assert sequence_mean(value, MASK).tolist() == [1, 5, 0]
