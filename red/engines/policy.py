"""One teacher-forced pass: log-probability and entropy of every response token."""

from collections.abc import Iterator
from collections.abc import Sequence as Seq

import torch
from torch import Tensor

from red.methods.base import Sequence
from red.models.packed import hidden, pack
from red.models.qwen2 import Qwen2
from red.objective.vocabulary import logp_and_entropy


def forward(
    model: Qwen2, sequences: Seq[Sequence], temperature: float, tokens_per_forward: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(logp, entropy, mask), each (S, T) left-aligned on the responses, with graph.

    logp is of the realised token at `temperature`; entropy (nats) is at temperature 1. A pass takes at
    most `tokens_per_forward` tokens, or one sequence.
    """
    device = model.lm_head.weight.device
    logps, entropies = [], []
    for part in _parts(sequences, tokens_per_forward):
        packing = pack([(s.prompt, s.response) for s in part], device)
        # The head runs on the tokens that predict a response: prompts cost no logits.
        source = hidden(model, packing)[packing.source]
        logp, entropy = logp_and_entropy(source, model.lm_head.weight, packing.target, temperature)
        logps.append(logp)
        entropies.append(entropy)
    lengths = torch.tensor([len(s.response) for s in sequences], device=device)
    is_token = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
    empty = logps[0].new_zeros(is_token.shape)
    logp_st, entropy_st = (empty.masked_scatter(is_token, torch.cat(x)) for x in (logps, entropies))
    return logp_st, entropy_st, is_token.to(empty.dtype)


def _parts(sequences: Seq[Sequence], tokens_per_forward: int) -> Iterator[list[Sequence]]:
    """Neighbors, so that the members of a group meet and share their prompt."""
    part: list[Sequence] = []
    tokens = 0
    for sequence in sequences:
        size = len(sequence.prompt) + len(sequence.response)
        if part and tokens + size > tokens_per_forward:
            yield part
            part, tokens = [], 0
        part.append(sequence)
        tokens += size
    yield part
