"""Micro-batches: every sequence once, ranks in step, actions where their tokens are."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from red.engines.openrlhf.batches import FILLER, deal, left_aligned, spread, tensors
from red.methods.base import Sequence
from red.models.passes import Pass

TWO = [Sequence((5, 6, 7), (8, 9), 1.0, 1.0), Sequence((5,), (6, 7, 8), 0.0, 0.0)]


@given(st.lists(st.integers(1, 99), min_size=1, max_size=40), st.integers(1, 4), st.integers(1, 5))
def test_every_sequence_is_dealt_once_and_ranks_get_equally_many_batches(lengths, ranks, size):
    batches = deal(lengths, ranks, size)
    dealt = [index for batch in batches for index in batch]
    assert sorted(index for index in dealt if index != FILLER) == list(range(len(lengths)))
    assert len(batches) % ranks == 0 and all(len(batch) == size for batch in batches)
    assert dealt.count(FILLER) < ranks * size


def test_ranks_share_the_long_sequences():
    batches = deal([9, 1, 8, 2], ranks=2, micro_batch=1)
    assert batches == [[0], [3], [2], [1]]


def test_actions_are_response_tokens_one_place_to_the_left():
    batch = tensors(TWO, [1, FILLER, 0], pad_id=0)
    assert batch["sequences"].tolist() == [[5, 6, 7, 8, 0], [0, 0, 0, 0, 0], [5, 6, 7, 8, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["action_mask"].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1]]


def test_values_find_their_places_in_a_micro_batch():
    logp, mask = left_aligned([torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -4.0, -5.0])])
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    action_mask = tensors(TWO, [1, FILLER, 0], pad_id=0)["action_mask"]
    placed = spread(Pass(logp, logp, mask), [1, FILLER, 0], action_mask)
    assert placed.tolist() == [[-3, -4, -5, 0], [0, 0, 0, 0], [0, 0, -1, -2]]
