"""One teacher-forced pass: log-probability and entropy of every response token."""

from collections.abc import Sequence as Seq

import torch
from torch import Tensor

from red.methods.base import Sequence
from red.models.qwen2 import Qwen2
from red.objective.vocabulary import logp_and_entropy


def forward(
    model: Qwen2, sequences: Seq[Sequence], temperature: float, tokens_per_forward: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(logp, entropy, mask), each (S, T) left-aligned on the responses, with graph.

    logp is of the realised token at `temperature`; entropy (nats) is at temperature 1. Sequences of
    similar length share a pass of at most `tokens_per_forward` padded tokens.
    """
    device = next(model.parameters()).device
    longest = max(len(s.response) for s in sequences)
    order: list[int] = []
    logps, entropies = [], []
    for bucket in _buckets([len(s.prompt) + len(s.response) for s in sequences], tokens_per_forward):
        chosen = [sequences[i] for i in bucket]
        logp, entropy = _forward_bucket(model, chosen, temperature, longest, device)
        logps.append(logp)
        entropies.append(entropy)
        order += bucket
    inverse = torch.tensor(order, device=device).argsort()
    lengths = torch.tensor([len(s.response) for s in sequences], device=device)
    mask = (torch.arange(longest, device=device)[None] < lengths[:, None]).to(logps[0].dtype)
    return torch.cat(logps)[inverse], torch.cat(entropies)[inverse], mask


def _forward_bucket(
    model: Qwen2, sequences: Seq[Sequence], temperature: float, longest: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    width = max(len(s.prompt) + len(s.response) for s in sequences)
    rows = [list(s.prompt + s.response) + [0] * (width - len(s.prompt) - len(s.response)) for s in sequences]
    ids = torch.tensor(rows, device=device)
    hidden = model.hidden(ids[:, :-1])
    # The head runs on response positions only: prompts and padding cost no logits.
    row = torch.tensor([i for i, s in enumerate(sequences) for _ in s.response], device=device)
    column = torch.tensor(
        [len(s.prompt) - 1 + t for s in sequences for t in range(len(s.response))], device=device
    )
    slot = torch.tensor([t for s in sequences for t in range(len(s.response))], device=device)
    logp, entropy = logp_and_entropy(
        hidden[row, column], model.lm_head.weight, ids[row, column + 1], temperature)
    place = row * longest + slot
    empty = logp.new_zeros(len(sequences) * longest)
    shape = (len(sequences), longest)
    return (empty.index_put((place,), logp).view(shape), empty.index_put((place,), entropy).view(shape))


def _buckets(lengths: Seq[int], tokens_per_forward: int) -> list[list[int]]:
    """Indices in order of length, cut where the padded size would exceed the limit."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    buckets: list[list[int]] = [[]]
    for index in order:
        if buckets[-1] and (len(buckets[-1]) + 1) * lengths[index] > tokens_per_forward:
            buckets.append([])
        buckets[-1].append(index)
    return buckets
