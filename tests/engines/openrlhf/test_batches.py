"""Micro-batches: every sequence once, ranks in step, actions where their tokens are."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from red.engines.openrlhf.batches import FILLER, buckets, deal, left_aligned, spread, tensors
from red.methods.base import Sequence

TWO = [Sequence((5, 6, 7), (8, 9), 1.0, 1.0), Sequence((5,), (6, 7, 8), 0.0, 0.0)]


@given(st.lists(st.integers(1, 99), min_size=1, max_size=40), st.integers(1, 4), st.integers(1, 300))
def test_every_sequence_is_dealt_once_within_the_budget_and_ranks_get_equally_many_batches(lengths, ranks, tokens):
    batches = deal(lengths, ranks, tokens)
    dealt = [index for batch in batches for index in batch]
    assert sorted(index for index in dealt if index != FILLER) == list(range(len(lengths)))
    assert len(batches) % ranks == 0
    for batch in batches:
        assert batch == [FILLER] or FILLER not in batch
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens


def test_ranks_share_the_long_sequences():
    assert deal([9, 1, 8, 2], ranks=2, tokens=1) == [[0], [3], [2], [1]]


def test_similar_lengths_share_a_batch_and_a_filler_keeps_ranks_in_step():
    assert deal([9, 1, 8, 2, 3, 5], ranks=1, tokens=9) == [[0], [2], [5], [4, 3, 1]]
    assert deal([9, 9, 4, 4, 9], ranks=2, tokens=12) == [[0], [4], [3], [1], [2], [FILLER]]


def test_buckets_keep_the_order_and_the_size_and_one_type():
    sizes = [("a", 3), ("b", 4), ("c", 9), ("d", 2), ("e", 2)]
    weights = [(name, torch.zeros(size)) for name, size in sizes] + [("f", torch.zeros(1, dtype=torch.bfloat16))]
    found = [[name for name, _ in bucket] for bucket in buckets(weights, 7)]
    assert found == [["a", "b"], ["c"], ["d", "e"], ["f"]]
    assert list(buckets([])) == []


def test_actions_are_response_tokens_one_place_to_the_left():
    batch = tensors(TWO, [1, FILLER, 0], pad_id=0)
    assert batch["sequences"].tolist() == [[5, 6, 7, 8, 0], [0, 0, 0, 0, 0], [5, 6, 7, 8, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["action_mask"].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1]]


def test_values_find_their_places_in_a_micro_batch():
    logp, mask = left_aligned([torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -4.0, -5.0])])
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    action_mask = tensors(TWO, [1, FILLER, 0], pad_id=0)["action_mask"]
    placed = spread(logp, [1, FILLER, 0], action_mask)
    assert placed.tolist() == [[-3, -4, -5, 0], [0, 0, 0, 0], [0, 0, -1, -2]]
