"""Batched sampling with a key-value cache: each prompt is read once for its group, ended rows leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from red.models.qwen2 import Qwen2, rotary_tables, rotate

# Moving the cache costs about as much as a few steps, so rows leave in batches.
LIVE_SHARE = 0.7
NEGATIVE = -1e9
# A uniform number below 1 by more than float32 rounding, so that u * total stays below total.
BELOW_ONE = 1 - 2**-22


@dataclass(frozen=True)
class Sample:
    """One response: its token ids (with the end token if it was reached) and why it ended."""

    tokens: list[int]
    finish_reason: Literal["stop", "length"]


@torch.inference_mode()
def sample(
    model: Qwen2,
    prompts: Sequence[Sequence[int]],
    *,
    samples: int,
    max_new_tokens: int | Sequence[int],
    eos_id: int,
    temperature: float,
    generator: torch.Generator | None = None,
) -> list[list[Sample]]:
    """`samples` responses to each prompt; temperature 0 takes the most likely token.

    All randomness is drawn from `generator` (on CPU) before the first token, one number per response
    and position, so a response depends on its row in the batch but not on when other rows end.
    `max_new_tokens` may be one number or one per prompt. No prompts, no responses.
    """
    limits = _limits(prompts, max_new_tokens)
    if not prompts or samples == 0:
        return [[] for _ in prompts]
    limit = torch.tensor(limits).repeat_interleave(samples)
    uniform = None
    if temperature > 0:
        uniform = torch.rand(len(limit), max(limits), generator=generator) * BELOW_ONE
    decoder = _Decoder(model, prompts, samples, max(limits))
    tokens = _generate(decoder, limit, eos_id, temperature, uniform)
    rows = [_sample(row[:count], eos_id) for row, count in zip(tokens.tolist(), limit.tolist(), strict=True)]
    return [rows[start : start + samples] for start in range(0, len(rows), samples)]


def _limits(prompts: Sequence[Sequence[int]], max_new_tokens: int | Sequence[int]) -> list[int]:
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    if len(limits) != len(prompts):
        raise ValueError(f"{len(limits)} values of max_new_tokens for {len(prompts)} prompts")
    if any(limit < 1 for limit in limits) or any(not prompt for prompt in prompts):
        raise ValueError("every prompt needs at least one token, and max_new_tokens at least 1")
    return limits


def _sample(row: list[int], eos_id: int) -> Sample:
    if eos_id in row:
        return Sample(row[: row.index(eos_id) + 1], "stop")
    return Sample(row, "length")


def _generate(
    decoder: "_Decoder", limit: Tensor, eos_id: int, temperature: float, uniform: Tensor | None
) -> Tensor:
    """Token ids [rows, max limit]; what follows a row's end token or limit is meaningless."""
    device = decoder.logits.device
    limit = limit.to(device)
    uniform = None if uniform is None else uniform.to(device)
    longest = int(limit.max())
    out = torch.full((len(limit), longest), -1, dtype=torch.long, device=device)
    row = torch.arange(len(limit), device=device)
    alive = torch.ones(len(limit), dtype=torch.bool, device=device)
    for position in range(longest):
        chosen = None if uniform is None else uniform[row, position]
        token = _choose(decoder.logits, temperature, chosen)
        out[row, position] = token
        alive &= (token != eos_id) & (limit > position + 1)
        count = int(alive.sum())
        if count == 0:
            break
        if count < LIVE_SHARE * len(row):
            kept = alive.nonzero()[:, 0]
            decoder.keep(kept)
            row, token, limit, alive = row[kept], token[kept], limit[kept], alive[kept]
        decoder.step(token)
    return out


def _choose(logits: Tensor, temperature: float, uniform: Tensor | None) -> Tensor:
    """Inverse of the cumulative distribution at `uniform` [B]; arg max without it."""
    if uniform is None:
        return logits.argmax(-1)
    cumulative = (logits / temperature).softmax(-1).cumsum(-1)
    target = uniform * cumulative[:, -1]
    return (cumulative <= target[:, None]).sum(-1)


class _LayerWeights(NamedTuple):
    """One layer with fused projections and the norm gains folded into them."""

    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


def _fold(model: Qwen2) -> list[_LayerWeights]:
    folded = []
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        folded.append(
            _LayerWeights(
                torch.cat([p.weight for p in projections]) * layer.input_layernorm.weight,
                torch.cat([p.bias for p in projections]),
                attention.o_proj.weight,
                torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
                mlp.down_proj.weight,
            )
        )
    return folded


class _Decoder:
    """Caches of all rows. Prompts are padded on the left, so every row writes the same column."""

    def __init__(
        self, model: Qwen2, prompts: Sequence[Sequence[int]], samples: int, max_new_tokens: int
    ) -> None:
        shape = model.shape
        self.shape = shape
        self.heads = shape.num_attention_heads
        self.pairs = shape.num_key_value_heads
        self.layers = _fold(model)
        self.embedding = model.model.embed_tokens.weight
        self.head = model.lm_head.weight * model.model.norm.weight
        device, dtype = self.embedding.device, self.embedding.dtype
        longest = max(map(len, prompts))
        padding = torch.tensor([longest - len(prompt) for prompt in prompts], device=device)
        ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts], device=device)
        columns = longest + max_new_tokens
        self.cos, self.sin = rotary_tables(shape, columns, device, dtype)
        self.bias = torch.zeros(len(prompts), columns, device=device, dtype=dtype)
        self.bias.masked_fill_(torch.arange(columns, device=device) < padding[:, None], NEGATIVE)
        self.column = longest
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.logits = self._read_prompts(ids, samples, columns).repeat_interleave(samples, 0)
        self.bias = self.bias.repeat_interleave(samples, 0)

    def _read_prompts(self, ids: Tensor, samples: int, columns: int) -> Tensor:
        """Fill the caches of `samples` rows per prompt; logits [P, V] after the last prompt token."""
        count, length = ids.shape
        future = torch.full((length, length), NEGATIVE, device=ids.device, dtype=self.bias.dtype).triu(1)
        mask = self.bias[:, None, None, :length] + future
        x = self.embedding[ids]
        for layer in self.layers:
            projected = F.linear(_normalize(x, self.shape.rms_norm_eps), layer.qkv, layer.qkv_bias)
            projected = projected.view(count, length, -1, self.shape.head_dim).transpose(1, 2)
            turned = rotate(projected[:, : self.heads + self.pairs], self.cos[:length], self.sin[:length])
            query, key = turned[:, : self.heads], turned[:, self.heads :]
            value = projected[:, self.heads + self.pairs :]
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(count, length, -1), layer.out)
            x = x + self._feed_forward(x, layer)
            for caches, filled in ((self.keys, key), (self.values, value)):
                cache = filled.new_empty(count * samples, self.pairs, columns, self.shape.head_dim)
                cache[:, :, :length] = filled.repeat_interleave(samples, 0)
                caches.append(cache)
        return F.linear(_normalize(x[:, -1], self.shape.rms_norm_eps), self.head)

    def step(self, token: Tensor) -> None:
        """Append one token [B] to every row and compute the next logits."""
        batch, column = len(token), self.column
        cos, sin = self.cos[column], self.sin[column]
        mask = self.bias[:, None, None, : column + 1]
        x = self.embedding[token]
        for layer, keys, values in zip(self.layers, self.keys, self.values, strict=True):
            projected = F.linear(_normalize(x, self.shape.rms_norm_eps), layer.qkv, layer.qkv_bias)
            projected = projected.view(batch, -1, self.shape.head_dim)
            turned = rotate(projected[:, : self.heads + self.pairs], cos, sin)
            keys[:, :, column] = turned[:, self.heads :]
            values[:, :, column] = projected[:, self.heads + self.pairs :]
            query = turned[:, : self.heads].reshape(batch, self.pairs, -1, self.shape.head_dim)
            scores = query @ keys[:, :, : column + 1].transpose(2, 3) * self.shape.head_dim**-0.5
            mixed = (scores + mask).softmax(-1) @ values[:, :, : column + 1]
            x = x + F.linear(mixed.reshape(batch, -1), layer.out)
            x = x + self._feed_forward(x, layer)
        self.logits = F.linear(_normalize(x, self.shape.rms_norm_eps), self.head)
        self.column = column + 1

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows from the caches (only the filled columns are copied)."""
        for caches in (self.keys, self.values):
            for index, cache in enumerate(caches):
                smaller = cache.new_empty(len(rows), *cache.shape[1:])
                smaller[:, :, : self.column] = cache[rows, :, : self.column]
                caches[index] = smaller
        self.bias = self.bias[rows]
        self.logits = self.logits[rows]

    def _feed_forward(self, x: Tensor, layer: _LayerWeights) -> Tensor:
        gate, up = F.linear(_normalize(x, self.shape.rms_norm_eps), layer.gate_up).chunk(2, -1)
        return F.linear(F.silu(gate) * up, layer.down)


def _normalize(x: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), None, eps)
