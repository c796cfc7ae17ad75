"""Qwen2 and Llama in plain torch, with transformers' parameter names, so checkpoints are exchanged unchanged.

The two differ in the biases of the attention and in how rotary positions are stretched, nothing else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from red.errors import DataError

LARGEST_SIZE = 1 << 24
# A module is built for each layer before the weights are compared.
MOST_LAYERS = 1 << 10


FAMILIES = ("qwen2", "llama")


@dataclass(frozen=True)
class RopeScaling:
    """Stretched rotary positions (Llama 3.1): waves that turn fewer than `low_freq_factor` times in the original
    window are `factor` times as long, those above `high_freq_factor` turns stay, between the two it is blended.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def stretched(self, frequency: Tensor) -> Tensor:
        """Frequencies (radians per position) from those of plain rotary positions."""
        turns = self.original_max_position_embeddings * frequency / (2 * math.pi)
        kept = ((turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)).clamp(0, 1)
        return frequency * (kept + (1 - kept) / self.factor)


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; the names are those of config.json. `attention_bias`: on q, k and v, as Qwen2 has them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    attention_bias: bool = True
    rope_scaling: RopeScaling | None = None

    def sizes(self) -> dict[str, Any]:
        """The keys of config.json that a Qwen2 model has."""
        return {name: value for name, value in vars(self).items() if name not in ("attention_bias", "rope_scaling")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], name: str = "config.json") -> "Shape":
        """Read a Hugging Face config; DataError if it is not a plain model that this code computes."""
        family = config.get("model_type")
        if family not in FAMILIES:
            raise DataError(
                f"{name}: model_type is {family!r}; the local engine computes {' and '.join(FAMILIES)}, "
                "engine: openrlhf and backend: vllm take it"
            )
        if config.get("use_sliding_window"):
            raise DataError(f"{name}: use_sliding_window is on; set it to false")
        if config.get("hidden_act", "silu") != "silu":
            raise DataError(f"{name}: hidden_act is {config['hidden_act']!r}; only 'silu' is supported")
        for key in ("attention_bias", "mlp_bias"):
            if family == "llama" and config.get(key):
                raise DataError(f"{name}: {key} is on; the local engine computes llama without biases")
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if not isinstance(rope, Mapping):
            raise DataError(f"{name}: rope_parameters must be an object")
        try:
            heads = config["num_attention_heads"]
            shape = cls(
                vocab_size=config["vocab_size"],
                hidden_size=config["hidden_size"],
                intermediate_size=config["intermediate_size"],
                num_hidden_layers=config["num_hidden_layers"],
                num_attention_heads=heads,
                num_key_value_heads=config.get("num_key_value_heads") or heads,
                head_dim=config.get("head_dim") or config["hidden_size"] // max(heads, 1),
                max_position_embeddings=config["max_position_embeddings"],
                rope_theta=rope.get("rope_theta", config.get("rope_theta", 10000.0)),
                rms_norm_eps=config.get("rms_norm_eps", 1e-6),
                tie_word_embeddings=config.get("tie_word_embeddings", False),
                attention_bias=family == "qwen2",
                rope_scaling=_rope_scaling(rope, name),
            )
        except KeyError as error:
            raise DataError(f"{name}: missing key {error.args[0]!r}") from None
        except TypeError:
            raise DataError(f"{name}: num_attention_heads and hidden_size must be whole numbers") from None
        shape.check(name)
        return shape

    def check(self, name: str) -> None:
        """DataError if a size is impossible."""
        for key in (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "max_position_embeddings",
        ):
            value, limit = getattr(self, key), MOST_LAYERS if key == "num_hidden_layers" else LARGEST_SIZE
            if type(value) is not int or not 1 <= value <= limit:
                raise DataError(f"{name}: {key} is {value!r}")
        if self.head_dim % 2 or self.num_attention_heads % self.num_key_value_heads:
            raise DataError(f"{name}: head_dim must be even, and num_key_value_heads divide the heads")
        for key in ("rope_theta", "rms_norm_eps"):
            value = getattr(self, key)
            if type(value) not in (int, float) or not 0 < value < float("inf"):
                raise DataError(f"{name}: {key} is {value!r}, must be above 0")


def _rope_scaling(rope: Mapping[str, Any], name: str) -> RopeScaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise DataError(f"{name}: rope type {kind!r} is not supported; only default and llama3 are")
    values: dict[str, Any] = {field.name: rope.get(field.name) for field in fields(RopeScaling)}
    for key, value in values.items():
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise DataError(f"{name}: {key} of the rope type 'llama3' is {value!r}, must be above 0")
    scaling = RopeScaling(**values)
    if scaling.low_freq_factor >= scaling.high_freq_factor:
        raise DataError(f"{name}: low_freq_factor must be below high_freq_factor")
    return scaling


class Norm(nn.Module):
    """Root-mean-square normalization with a gain per channel."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Any shape [..., size]."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions; biases on q, k and v at most."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        query = shape.num_attention_heads * shape.head_dim
        key_value = shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, query, bias=shape.attention_bias)
        self.k_proj = nn.Linear(shape.hidden_size, key_value, bias=shape.attention_bias)
        self.v_proj = nn.Linear(shape.hidden_size, key_value, bias=shape.attention_bias)
        self.o_proj = nn.Linear(query, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B, T, hidden]; cos and sin [T, head_dim]."""
        batch, length, _ = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(batch, length, -1, self.shape.head_dim).transpose(1, 2)

        query = rotate(heads(self.q_proj(x)), cos, sin)
        key = rotate(heads(self.k_proj(x)), cos, sin)
        grouped = self.shape.num_key_value_heads != self.shape.num_attention_heads
        context = F.scaled_dot_product_attention(query, key, heads(self.v_proj(x)), is_causal=True, enable_gqa=grouped)
        y: Tensor = self.o_proj(context.transpose(1, 2).reshape(batch, length, -1))
        return y


class Mlp(nn.Module):
    """Gated feed-forward block (SiLU)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape [..., hidden]."""
        y: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class Layer(nn.Module):
    """One pre-normalized transformer block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B, T, hidden]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        y: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return y


class Body(nn.Module):
    """Everything before the head (the `model.` prefix of the parameter names)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        # Given weights: the default start on the meta device imports the compiler, a second per process.
        table = torch.empty(shape.vocab_size, shape.hidden_size)
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size, _weight=table)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = Norm(shape.hidden_size, shape.rms_norm_eps)


class Qwen2(nn.Module):
    """Causal language model. Right padding needs no mask: real tokens never see what follows them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        self.lm_head = nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        if shape.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def hidden(self, ids: Tensor) -> Tensor:
        """Normalized last hidden states [B, T, hidden] of token ids [B, T], before the head."""
        x = self.model.embed_tokens(ids)
        cos, sin = rotary_tables(self.shape, ids.shape[1], x.device, x.dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        normalized: Tensor = self.model.norm(x)
        return normalized

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [B, T, vocabulary] of token ids [B, T]."""
        logits: Tensor = self.lm_head(self.hidden(ids))
        return logits


def initialize(model: Qwen2, generator: torch.Generator) -> None:
    """Fresh weights: embeddings N(0, 0.02), matrices N(0, 1/inputs), residual outputs 1/sqrt(2 layers)."""
    residual = 1 / math.sqrt(2 * model.shape.num_hidden_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            scale = 0.02 if "embed" in name else 1 / math.sqrt(parameter.shape[1])
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                scale *= residual
            parameter.normal_(0.0, scale, generator=generator)


def rotary_tables(shape: Shape, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin [length, head_dim] of the rotary angles, computed in float32."""
    channel = torch.arange(0, shape.head_dim, 2, device=device).float() / shape.head_dim
    frequency = shape.rope_theta**-channel
    if shape.rope_scaling is not None:
        frequency = shape.rope_scaling.stretched(frequency)
    angle = torch.outer(torch.arange(length, device=device).float(), frequency)
    angle = torch.cat([angle, angle], -1)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on the last axis: channel i turns with channel i + head_dim/2."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
