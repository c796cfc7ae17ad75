"""One teacher-forced pass: log-probability and entropy of every response token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from red.models.packed import hidden, pack
from red.models.qwen2 import Qwen2
from red.objective.batch import Batch
from red.objective.vocabulary import logp_and_entropy

Pair = tuple[Sequence[int], Sequence[int]]  # token ids of a prompt and of a response


@dataclass(frozen=True)
class Pass:
    """(S, T) tensors, left-aligned on the responses. `logp` is of the realised token at the sampling
    temperature, `entropy` (nats) at temperature 1; both may carry the graph."""

    logp: Tensor
    entropy: Tensor
    mask: Tensor

    def measured(self) -> "Pass":
        """Without the graph, on the CPU."""
        return Pass(self.logp.detach().cpu(), self.entropy.detach().cpu(), self.mask.cpu())

    def batch(self, old: "Pass") -> Batch:
        """As the objective's input; `old` is the pass of the policy that sampled, perhaps this one."""
        return Batch(self.logp, old.logp.detach(), self.entropy, self.mask)


def forward(model: Qwen2, pairs: Sequence[Pair], temperature: float, tokens_per_forward: int) -> Pass:
    """A pass with graph. At most `tokens_per_forward` tokens, or one pair, are computed at once."""
    device = model.lm_head.weight.device
    logps, entropies = [], []
    for part in parts(pairs, tokens_per_forward):
        packing = pack(part, device)
        # The head runs on the tokens that predict a response: prompts cost no logits.
        source = hidden(model, packing)[packing.source]
        logp, entropy = logp_and_entropy(source, model.lm_head.weight, packing.target, temperature)
        logps.append(logp)
        entropies.append(entropy)
    lengths = torch.tensor([len(response) for _, response in pairs], device=device)
    is_token = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
    empty = logps[0].new_zeros(is_token.shape)
    logp_st, entropy_st = (empty.masked_scatter(is_token, torch.cat(x)) for x in (logps, entropies))
    return Pass(logp_st, entropy_st, is_token.to(empty.dtype))


def parts(pairs: Sequence[Pair], tokens_per_forward: int) -> Iterator[list[Pair]]:
    """What is computed at once: neighbors, so that the members of a group meet and share their prompt."""
    part: list[Pair] = []
    tokens = 0
    for prompt, response in pairs:
        size = len(prompt) + len(response)
        if part and tokens + size > tokens_per_forward:
            yield part
            part, tokens = [], 0
        part.append((prompt, response))
        tokens += size
    yield part
