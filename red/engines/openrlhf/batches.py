"""Micro-batches as OpenRLHF's actors take them: who gets which sequence, and its tensors; buckets of weights."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Seq

import torch
from torch import Tensor

from red.methods.base import Sequence

FILLER = -1
# Weights in one message to vLLM: a round of calls per message is what a synchronisation waits for.
BUCKET = 2**28


def deal(lengths: Seq[int], ranks: int, tokens: int) -> list[list[int]]:
    """Micro-batches of indices, rank after rank, equally many for each; one of a FILLER alone fills up.

    Longest first, so sequences of similar length share a micro-batch; it has at most `tokens` tokens with its padding,
    or one sequence. Every rank gets the same mix of lengths.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    shares = [_cut(order[rank::ranks], lengths, tokens) for rank in range(ranks)]
    most = max(map(len, shares))
    return [part for share in shares for part in [*share, *[[FILLER]] * (most - len(share))]]


def _cut(share: Seq[int], lengths: Seq[int], tokens: int) -> list[list[int]]:
    parts: list[list[int]] = []
    for index in share:
        if parts and (len(parts[-1]) + 1) * lengths[parts[-1][0]] <= tokens:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts


def tensors(sequences: Seq[Sequence], indices: Seq[int], pad_id: int) -> dict[str, Tensor]:
    """Right-padded `sequences`, `attention_mask` (B, T) and `action_mask` (B, T-1) of one micro-batch.

    Position t of the action mask is token t+1. A filler has no action: no term of the loss sees it.
    """
    rows, actions = [], []
    for index in indices:
        if index == FILLER:
            rows.append([pad_id, pad_id])
            actions.append([0])
        else:
            prompt, response = sequences[index].prompt, sequences[index].response
            rows.append([*prompt, *response])
            actions.append([0] * (len(prompt) - 1) + [1] * len(response))
    attention = [[1] * len(row) for row in rows]
    return {
        "sequences": _padded(rows, pad_id),
        "attention_mask": _padded(attention, 0),
        "action_mask": _padded(actions, 0),
    }


def spread(value_st: Tensor, indices: Seq[int], action_mask: Tensor) -> Tensor:
    """(B, A) values that are left-aligned on the responses, at the places of one micro-batch's actions."""
    placed = torch.zeros(action_mask.shape)
    lengths = zip(indices, action_mask.sum(1).tolist(), strict=True)
    rows = [value_st[index][:length] for index, length in lengths if index != FILLER]
    placed[action_mask.bool()] = torch.cat([*rows, torch.zeros(0)])
    return placed


def left_aligned(rows: Seq[Tensor]) -> tuple[Tensor, Tensor]:
    """(S, T) values and mask of one vector of response values per sequence."""
    value = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    ones = [torch.ones_like(row) for row in rows]
    return value, torch.nn.utils.rnn.pad_sequence(ones, batch_first=True)


def buckets(weights: Iterable[tuple[str, Tensor]], size: int = BUCKET) -> Iterator[list[tuple[str, Tensor]]]:
    """Neighbors of one type, of at most `size` numbers together, or one tensor; under ZeRO-3 the whole one counts."""
    bucket: list[tuple[str, Tensor]] = []
    held = 0
    for name, weight in weights:
        count = getattr(weight, "ds_numel", weight.numel())
        if bucket and (held + count > size or bucket[0][1].dtype != weight.dtype):
            yield bucket
            bucket, held = [], 0
        bucket.append((name, weight))
        held += count
    if bucket:
        yield bucket


def _padded(rows: Seq[Seq[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
