"""One token at a time for many rows: folded weights, one preallocated key-value cache."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from red.models.qwen2 import Layer, Qwen2, Shape, rotary_tables

NEGATIVE = -1e9


class Folded(NamedTuple):
    """One layer as [inputs, outputs] matrices, with norm gains and the attention scale inside.

    Channels i and i + head_dim/2 of queries and keys turn together; they are made neighbors, so that
    the rotation of a head is one product of complex numbers.
    """

    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


def fold(layer: Layer, shape: Shape) -> Folded:
    """Fold everything that is constant into the matrices (float32)."""
    attention, mlp = layer.self_attn, layer.mlp
    scale = shape.head_dim**-0.5

    def paired(x: Tensor) -> Tensor:
        return torch.unflatten(x, 0, (-1, 2, shape.head_dim // 2)).transpose(1, 2).flatten(0, 2)

    query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
    qkv = torch.cat([paired(query.weight) * scale, paired(key.weight), value.weight])
    gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    bias = qkv.new_zeros(len(qkv))
    if shape.attention_bias:
        bias = torch.cat([paired(query.bias) * scale, paired(key.bias), value.bias])
    return Folded(
        qkv=(qkv * layer.input_layernorm.weight).T.contiguous(),
        qkv_bias=bias,
        out=attention.o_proj.weight.T.contiguous(),
        gate_up=(gate_up * layer.post_attention_layernorm.weight).T.contiguous(),
        down=mlp.down_proj.weight.T.contiguous(),
    )


class Decoder:
    """`samples` rows per prompt. Each prompt is read once; its keys and values are copied to its rows.

    Prompts are padded on the left, so that all rows write the same column of the cache; padding is
    masked, and rotary positions only matter relative to each other.
    """

    def __init__(self, model: Qwen2, prompts: Sequence[Sequence[int]], samples: int, room: int) -> None:
        """`room` is the number of columns kept free for new tokens."""
        shape = model.shape
        self.heads, self.kv_heads = shape.num_attention_heads, shape.num_key_value_heads
        self.half = shape.head_dim // 2
        self.group = self.heads // self.kv_heads
        self.layers = [self._by_kv_head(fold(cast(Layer, layer), shape)) for layer in model.model.layers]
        self.embedding = model.model.embed_tokens.weight
        self.head = (model.lm_head.weight * model.model.norm.weight).T.contiguous()
        self.mean = self.embedding.new_full((shape.hidden_size, 1), 1 / shape.hidden_size)
        self.eps = self.embedding.new_full((1, 1), shape.rms_norm_eps)
        length = max(map(len, prompts))
        device = self.embedding.device
        ids = torch.tensor([[0] * (length - len(p)) + list(p) for p in prompts], device=device)
        padding = torch.tensor([[length - len(p)] for p in prompts], device=device)
        columns = torch.arange(length + room, device=device)
        self.column = length
        self.rotations = self._rotations(shape, length + room)
        self.mask = self.embedding.new_zeros(len(prompts), length + room)
        self.mask.masked_fill_(columns < padding, NEGATIVE)
        # [layer, row and kv head, key or value, column, channel]
        self.cache = self.embedding.new_empty(
            len(self.layers), len(ids) * samples * self.kv_heads, 2, length + room, shape.head_dim
        )
        self.logits = self._read(ids, samples).repeat_interleave(samples, 0)
        self.mask = self.mask.repeat_interleave(samples * self.kv_heads, 0).unsqueeze(1)

    def step(self, token: Tensor) -> None:
        """Append one token [B] to every row and compute the next `logits` [B, V]."""
        end = self.column + 1
        mask = self.mask[:, :, :end]
        rotations = self.rotations[self.column]
        x = self.embedding[token]
        for layer, cache in zip(self.layers, self.cache, strict=True):
            rotated = self._project(x, layer, rotations).flatten(0, 1)
            cache[:, :, self.column] = rotated[:, self.group :]
            key, value = cache[:, 0, :end], cache[:, 1, :end]
            weights = torch.baddbmm(mask, rotated[:, : self.group], key.transpose(1, 2)).softmax(-1)
            context = torch.bmm(weights, value).view(len(x), -1)
            x = self._feed_forward(torch.addmm(x, context, layer.out), layer)
        self.logits = self._normalize(x) @ self.head
        self.column = end

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows; only the filled columns are copied."""
        cache_rows = (rows[:, None] * self.kv_heads + torch.arange(self.kv_heads, device=rows.device)).flatten()
        smaller = self.cache.new_empty(len(self.layers), len(cache_rows), *self.cache.shape[2:])
        filled = self.cache[..., : self.column, :]
        torch.index_select(filled, 1, cache_rows, out=smaller[..., : self.column, :])
        self.cache, self.mask = smaller, self.mask[cache_rows]
        self.logits = self.logits[rows]

    def _read(self, ids: Tensor, samples: int) -> Tensor:
        """Fill the caches from the prompts [P, T]; logits [P, V] after their last tokens."""
        count, length = ids.shape
        future = self.mask.new_full((length, length), NEGATIVE).triu(1)
        mask = self.mask[:, None, None, :length] + future
        rotations = self.rotations[:length].repeat(count, 1, 1, 1)
        x = self.embedding[ids.flatten()]
        for layer, cache in zip(self.layers, self.cache, strict=True):
            rotated = torch.unflatten(self._project(x, layer, rotations), 0, (count, length)).permute(0, 2, 3, 1, 4)
            query, key_value = rotated[:, :, : self.group].flatten(1, 2), rotated[:, :, self.group :]
            context = F.scaled_dot_product_attention(
                query, key_value[:, :, 0], key_value[:, :, 1], attn_mask=mask, scale=1.0, enable_gqa=True
            )
            context = context.transpose(1, 2).reshape(len(x), -1)
            x = self._feed_forward(torch.addmm(x, context, layer.out), layer)
            cache[:, :, :length] = key_value.repeat_interleave(samples, 0).flatten(0, 1)
        return self._normalize(torch.unflatten(x, 0, (count, length))[:, -1]) @ self.head

    def _by_kv_head(self, layer: Folded) -> Folded:
        """Order the heads as [queries, key, value] of each kv head."""

        def ordered(x: Tensor) -> Tensor:
            heads = torch.unflatten(x, -1, (-1, 2 * self.half))
            query, key, value = heads.split_with_sizes((self.heads, self.kv_heads, self.kv_heads), -2)
            parts = [torch.unflatten(query, -2, (self.kv_heads, -1)), key.unsqueeze(-2), value.unsqueeze(-2)]
            return torch.cat(parts, -2).flatten(-3)

        return layer._replace(qkv=ordered(layer.qkv), qkv_bias=ordered(layer.qkv_bias))

    def _rotations(self, shape: Shape, columns: int) -> Tensor:
        """Complex factors [columns, kv heads, parts, head_dim/2]; 1 for the values, which do not turn."""
        cos, sin = rotary_tables(shape, columns, self.embedding.device, torch.float32)
        rotation = torch.complex(cos[:, : self.half], sin[:, : self.half])
        rotations = rotation[:, None, None].repeat(1, self.kv_heads, self.group + 2, 1)
        rotations[:, :, -1] = 1
        return rotations

    def _project(self, x: Tensor, layer: Folded, rotations: Tensor) -> Tensor:
        """Turned queries, turned key, value of each kv head: [B, kv heads, parts, head_dim] from x [B, hidden]."""
        projected = torch.addmm(layer.qkv_bias, self._normalize(x), layer.qkv)
        channels = torch.view_as_complex(projected.view(len(x), self.kv_heads, -1, self.half, 2))
        return torch.view_as_real(channels * rotations).flatten(3)

    def _feed_forward(self, x: Tensor, layer: Folded) -> Tensor:
        gate, up = (self._normalize(x) @ layer.gate_up).chunk(2, -1)
        return torch.addmm(x, F.silu(gate).mul_(up), layer.down)

    def _normalize(self, x: Tensor) -> Tensor:
        # The product with a column of 1/hidden is faster than a mean over short rows.
        return x * torch.addmm(self.eps, x * x, self.mean).rsqrt_()
