"""Hidden states of many responses in one pass: no padding, and a prompt that several share is read once.

The same function as `Qwen2.hidden`, with everything that is constant folded into the matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from red.models.decoder import NEGATIVE, Folded, fold
from red.models.qwen2 import Layer, Qwen2, Shape, rotary_tables
from red.objective.product import product

# The number of tokens is a multiple of this: oneDNN prepares code for each new shape and keeps it, which
# for ever new numbers of tokens costs as much as the products, and half a megabyte each.
MULTIPLE = 64
# Rows whose attention is computed together differ in length by at most this factor.
SPREAD = 1.4
# Up to this length a CPU is faster with the weights of all pairs of tokens in memory than with torch's kernel.
SHORT = 80


@dataclass(frozen=True)
class Packing:
    """N distinct tokens of pairs (prompt, response), and up to 63 that nothing reads.

    ids, position (N,): the token and its place in its sequence. rows: the token at each place of each
    sequence, one [S_b, T_b] for each set of similar lengths; what follows a row's end has no meaning.
    home (N,): the place, in all rows flattened, where a token's own attention is found.
    source, target (M,): the token that predicts and the token that it predicts, pair by pair.
    """

    ids: Tensor
    position: Tensor
    rows: tuple[Tensor, ...]
    home: Tensor
    source: Tensor
    target: Tensor


def pack(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], device: torch.device | str = "cpu") -> Packing:
    """Equal prompts become one. No prompt and no response is empty."""
    ids: list[int] = []
    position: list[int] = []
    source: list[int] = []
    rows: list[list[int]] = []
    prompt_tokens: dict[tuple[int, ...], range] = {}

    def add(tokens: Sequence[int], start: int) -> range:
        ids.extend(tokens)
        position.extend(range(start, start + len(tokens)))
        return range(len(ids) - len(tokens), len(ids))

    for prompt, response in pairs:
        key = tuple(prompt)
        if key not in prompt_tokens:
            prompt_tokens[key] = add(key, 0)
        # The last token predicts nothing.
        row = [*prompt_tokens[key], *add(response[:-1], len(key))]
        rows.append(row)
        source += row[len(key) - 1 :]
    padding = -len(ids) % MULTIPLE
    ids += [0] * padding
    position += [0] * padding
    buckets, home = _arrange(rows, len(ids))
    return Packing(
        ids=torch.tensor(ids, device=device),
        position=torch.tensor(position, device=device),
        rows=tuple(torch.tensor(bucket, device=device) for bucket in buckets),
        home=torch.tensor(home, device=device),
        source=torch.tensor(source, device=device),
        target=torch.tensor([token for _, response in pairs for token in response], device=device),
    )


def _arrange(rows: list[list[int]], tokens: int) -> tuple[list[list[list[int]]], list[int]]:
    """Rows of similar length side by side, padded, and the place of each token in all of them."""
    buckets: list[list[list[int]]] = []
    home, place, width = [0] * tokens, 0, 0
    for row in sorted(rows, key=len, reverse=True):
        if not buckets or width > SPREAD * len(row):
            buckets.append([])
            width = len(row)
        buckets[-1].append(row + [0] * (width - len(row)))
        for column, token in enumerate(row):
            home[token] = place + column
        place += width
    return buckets, home


def hidden(model: Qwen2, packing: Packing) -> Tensor:
    """Normalized last hidden states (N, hidden) before the head, differentiable once."""
    shape = model.shape
    x = model.model.embed_tokens(packing.ids)
    rotation = _rotation(shape, packing)
    for block in model.model.layers:
        assert isinstance(block, Layer)
        layer = fold(block, shape)
        context = _attention(_normalize(x, shape.rms_norm_eps), layer, rotation, packing, shape)
        x = x + _linear(context, layer.out.T)
        gate_up = _linear(_normalize(x, shape.rms_norm_eps), layer.gate_up.T)
        x = x + _linear(_gate(gate_up), layer.down.T)
    return _normalize(x, shape.rms_norm_eps) * model.model.norm.weight


def _rotation(shape: Shape, packing: Packing) -> Tensor:
    """Complex factors [N, 1, head_dim/2] of the rotary positions."""
    longest = max(rows.shape[1] for rows in packing.rows)
    tables = rotary_tables(shape, longest, packing.ids.device, torch.float32)
    cos, sin = (table[packing.position, None, : shape.head_dim // 2] for table in tables)
    return torch.complex(cos, sin)


def _attention(x: Tensor, layer: Folded, rotation: Tensor, packing: Packing, shape: Shape) -> Tensor:
    """[N, heads * head_dim] from normalized x [N, hidden]."""
    heads, kv_heads, size = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
    qkv: Tensor = _Turned.apply(x, layer.qkv.T, layer.qkv_bias, rotation, (heads + kv_heads) * size)  # type: ignore[no-untyped-call]
    contexts = []
    for rows in packing.rows:
        qkv_rows = qkv.index_select(0, rows.flatten()).view(*rows.shape, -1, size)
        contexts.append(_attend(qkv_rows, heads, kv_heads))
    return torch.cat(contexts).index_select(0, packing.home)


def _attend(qkv: Tensor, heads: int, kv_heads: int) -> Tensor:
    """[S * T, heads * head_dim] from [S, T, heads + 2 kv_heads, head_dim], causal; queries come scaled."""
    count, length, _, size = qkv.shape
    if length <= SHORT and not qkv.is_cuda:
        short: Tensor = _Short.apply(qkv, kv_heads)  # type: ignore[no-untyped-call]
        return short
    query, key, value = qkv.transpose(1, 2).split_with_sizes([heads, kv_heads, kv_heads], 1)
    context = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0, enable_gqa=True)
    return context.transpose(1, 2).reshape(count * length, -1)


class _Short(torch.autograd.Function):
    """The same by products of whole matrices; the queries of one key stand below each other."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, kv_heads: int) -> Tensor:
        count, length, parts, size = qkv.shape
        group = parts // kv_heads - 2
        query, key, value = qkv.split_with_sizes([group * kv_heads, kv_heads, kv_heads], 2)
        query = torch.unflatten(query, 2, (kv_heads, group)).permute(0, 2, 3, 1, 4).reshape(-1, group * length, size)
        key, value = (x.transpose(1, 2).reshape(-1, length, size) for x in (key, value))
        future = qkv.new_full((length, length), NEGATIVE).triu(1).repeat(group, 1)
        weights = torch.baddbmm(future, query, key.transpose(1, 2)).softmax(-1)
        context = torch.bmm(weights, value)
        ctx.save_for_backward(query, key, value, weights, context)
        ctx.shape = count, kv_heads, group, length, size
        return context.view(ctx.shape).permute(0, 3, 1, 2, 4).reshape(count * length, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        query, key, value, weights, context = ctx.saved_tensors
        count, kv_heads, group, length, size = ctx.shape
        grad = grad.view(count, length, kv_heads, group, size).permute(0, 2, 3, 1, 4).reshape(query.shape)
        value_grad = torch.bmm(weights.transpose(1, 2), grad)
        mean = torch.linalg.vecdot(grad, context)[:, :, None].neg_()
        score_grad = torch.baddbmm(mean, grad, value.transpose(1, 2)).mul_(weights)
        query_grad = torch.bmm(score_grad, key).view(count, kv_heads * group, length, size)
        key_grad = torch.bmm(score_grad.transpose(1, 2), query)
        parts = [query_grad, *(x.view(count, kv_heads, length, size) for x in (key_grad, value_grad))]
        return torch.cat(parts, 1).transpose(1, 2), None


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    y: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return y


def _normalize(x: Tensor, eps: float) -> Tensor:
    y: Tensor = _Normalize.apply(x, eps)  # type: ignore[no-untyped-call]
    return y


def _gate(gate_up: Tensor) -> Tensor:
    y: Tensor = _Gate.apply(gate_up)  # type: ignore[no-untyped-call]
    return y


class _Linear(torch.autograd.Function):
    """x @ weight.T + bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        bias_grad = grad.sum(0) if ctx.needs_input_grad[2] else None
        return product(grad, weight.T), _weight_grad(grad, x), bias_grad


class _Turned(torch.autograd.Function):
    """x @ weight.T + bias, the first channels turned by `rotation` [N, 1, head_dim/2]: queries and keys."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, rotation: Tensor, turned: int) -> Tensor:
        y = product(x, weight, bias)
        _turn(y, rotation, turned)
        ctx.save_for_backward(x, weight, rotation)
        ctx.turned = turned
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, rotation = ctx.saved_tensors
        grad = grad.clone()
        _turn(grad, rotation.conj(), ctx.turned)
        return product(grad, weight.T), _weight_grad(grad, x), grad.sum(0), None, None


def _turn(x: Tensor, rotation: Tensor, turned: int) -> None:
    channels = torch.unflatten(x[:, :turned], 1, (-1, rotation.shape[2], 2))
    torch.view_as_complex(channels).mul_(rotation)


def _weight_grad(grad: Tensor, x: Tensor) -> Tensor:
    """grad.T @ x. The left factor is copied: let it be the narrower."""
    return product(grad.T, x.T) if grad.shape[1] <= x.shape[1] else product(x.T, grad.T).T


class _Normalize(torch.autograd.Function):
    """x over its root mean square; the gain is in the matrix that follows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        scale = torch.linalg.vecdot(x, x)[:, None].div_(x.shape[1]).add_(eps).rsqrt_()
        normal: Tensor = x * scale
        ctx.save_for_backward(normal, scale)
        return normal

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        normal, scale = ctx.saved_tensors
        projection = torch.linalg.vecdot(grad, normal)[:, None].div_(-grad.shape[1])
        return torch.addcmul(grad, normal, projection).mul_(scale), None


class _Gate(torch.autograd.Function):
    """silu(gate) * up from [N, gate and up]."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, 1)
        gated = F.silu(gate)
        ctx.save_for_backward(gate_up, gated)
        return gated * up

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        gate_up, gated = ctx.saved_tensors
        gate, up = gate_up.chunk(2, 1)
        both = torch.empty_like(gate_up)
        gate_grad, up_grad = both.chunk(2, 1)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=gate_grad)
        torch.mul(gated, grad, out=up_grad)
        return both
