"""Log-probability and entropy of tokens from hidden states and the output embedding.

Where the logits of all tokens would be large, the vocabulary is read in blocks: the forward pass
keeps three numbers per token, the backward pass forms each block of logits again. Both are exact.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from red.objective.product import product

# Logits held at once. On a CPU a larger block leaves the processor's cache, and above 32 MiB the
# allocator returns it to the system, so that each use pays for fresh pages.
BLOCK = {"cpu": 2**22}
BLOCK_ELSEWHERE = 2**26
NARROWEST = 128
EMPTY = -1e30  # log of nothing, finite


def logp_and_entropy(
    hidden_nd: Tensor,
    embedding_vd: Tensor,
    target_n: Tensor,
    temperature: float = 1.0,
    cap: float | None = None,
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """log pi of each target at `temperature`, and the entropy (nats) at temperature 1; both (N,).

    Logits are hidden @ embedding.T, with `cap` then cap * tanh(logits / cap). Both results are
    float32 (float64 for float64 inputs) and differentiable by hidden and embedding, once. `block` is
    the number of logits held at once. A target outside the vocabulary gives NaN.
    """
    if hidden_nd.dtype != embedding_vd.dtype:
        raise ValueError(f"hidden is {hidden_nd.dtype}, embedding {embedding_vd.dtype}: use one type")
    block = block or BLOCK.get(hidden_nd.device.type, BLOCK_ELSEWHERE)
    if len(hidden_nd) * len(embedding_vd) <= block and hidden_nd.dtype == _wide(hidden_nd.dtype):
        return _at_once(hidden_nd, embedding_vd, target_n, temperature, cap)
    width = max(NARROWEST, block // max(hidden_nd.shape))
    blocks: tuple[Tensor, Tensor] = _Blocks.apply(hidden_nd, embedding_vd, target_n, temperature, cap, width)  # type: ignore[no-untyped-call]
    return blocks


def _at_once(
    hidden_nd: Tensor, embedding_vd: Tensor, target_n: Tensor, temperature: float, cap: float | None
) -> tuple[Tensor, Tensor]:
    logits = torch.nn.functional.linear(hidden_nd, embedding_vd)
    if cap is not None:
        logits = cap * (logits / cap).tanh()
    distribution = logits.log_softmax(-1)
    entropy = -(distribution.exp() * distribution).sum(-1)
    if temperature != 1.0:
        distribution = (logits / temperature).log_softmax(-1)
    return distribution.gather(-1, target_n[:, None])[:, 0], entropy


class _Blocks(torch.autograd.Function):
    """The same, one block of the vocabulary at a time."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, embedding: Tensor, target: Tensor, temperature: float, cap: float | None, width: int
    ) -> tuple[Tensor, Tensor]:
        wide = _wide(hidden.dtype)
        chosen = torch.full(target.shape, torch.nan, dtype=wide, device=hidden.device)
        log_total = torch.full_like(chosen, EMPTY)
        log_total_1, entropy = log_total.clone(), torch.zeros_like(chosen)
        for start, part in _parts(embedding, width):
            logits = _logits(hidden, part, cap)
            index, inside = _place(target, start, len(part))
            chosen = torch.where(inside, logits.gather(1, index)[:, 0], chosen)
            # Two parts of a distribution: entropy = sum of share * (own entropy - log share).
            here = logits.logsumexp(1)
            joined = torch.logaddexp(log_total_1, here)
            before, share = log_total_1 - joined, here - joined
            entropy = before.exp() * (entropy - before) + share.exp() * (_entropy(logits, here) - share)
            log_total_1 = joined
            if temperature != 1.0:
                log_total = torch.logaddexp(log_total, logits.div_(temperature).logsumexp(1))
        if temperature == 1.0:
            log_total = log_total_1
        ctx.save_for_backward(hidden, embedding, target, log_total, log_total_1, entropy)
        ctx.temperature, ctx.cap, ctx.width = temperature, cap, width
        ctx.set_materialize_grads(False)
        return chosen / temperature - log_total, entropy

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, logp_grad: Tensor | None, entropy_grad: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        hidden, embedding, target, log_total, log_total_1, entropy = ctx.saved_tensors
        needs_hidden, needs_embedding = ctx.needs_input_grad[:2]
        hidden_grad = torch.zeros(hidden.shape, dtype=entropy.dtype, device=hidden.device)
        embedding_grad = torch.empty_like(embedding) if needs_embedding else None
        for start, part in _parts(embedding, ctx.width):
            logits = _logits(hidden, part, ctx.cap)
            slope = 1.0 if ctx.cap is None else 1 - (logits / ctx.cap).square()
            grad = torch.zeros_like(logits)
            if entropy_grad is not None:
                grad += _of_entropy(logits - log_total_1[:, None], entropy, entropy_grad)
            if logp_grad is not None:
                place = _place(target, start, len(part))
                logp = logits.div_(ctx.temperature).sub_(log_total[:, None])
                grad += _of_logp(logp, place, logp_grad / ctx.temperature)
            grad *= slope
            if grad.is_cuda:
                grad = grad.to(hidden.dtype)
            if needs_hidden:
                hidden_grad += product(grad, part.T)
            if embedding_grad is not None:
                embedding_grad[start : start + len(part)] = product(grad.T, hidden.T)
        return hidden_grad.to(hidden.dtype) if needs_hidden else None, embedding_grad, None, None, None, None


def _of_entropy(logp: Tensor, entropy: Tensor, coefficient: Tensor) -> Tensor:
    """coefficient * d entropy / d logits = -p (log p + entropy) coefficient; overwrites logp."""
    return logp.exp().mul_(logp.add_(entropy[:, None])).mul_(-coefficient[:, None])


def _of_logp(logp: Tensor, place: tuple[Tensor, Tensor], coefficient: Tensor) -> Tensor:
    """coefficient * d logp / d logits = (1[target] - p) coefficient; overwrites logp."""
    index, inside = place
    grad = logp.exp_().mul_(-coefficient[:, None])
    return grad.scatter_add_(1, index, torch.where(inside, coefficient, 0)[:, None])


def _parts(embedding: Tensor, width: int) -> Iterator[tuple[int, Tensor]]:
    return ((start, embedding[start : start + width]) for start in range(0, len(embedding), width))


def _place(target: Tensor, start: int, width: int) -> tuple[Tensor, Tensor]:
    """Column [N, 1] of each target in this block, and whether it is there at all."""
    inside = (target >= start) & (target < start + width)
    return (target - start).clamp(0, width - 1)[:, None], inside


def _logits(hidden: Tensor, part: Tensor, cap: float | None) -> Tensor:
    logits = product(hidden, part)
    return logits if cap is None else logits.div_(cap).tanh_().mul_(cap)


def _entropy(logits: Tensor, log_total: Tensor) -> Tensor:
    """Of the softmax of each row. No product of a large logit with a rounded probability."""
    logp = logits - log_total[:, None]
    negative: Tensor = torch.linalg.vecdot(logp.exp(), logp)
    return -negative


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
