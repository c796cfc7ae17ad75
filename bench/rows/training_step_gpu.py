"""A training step of a randomly initialised Qwen2.5-1.5B shape on a GPU."""

import time
from typing import Any

import torch

from bench.row import Case, Done, Row, Run, Setting, Side
from bench.rows import vocabulary
from bench.rows.vocabulary_gpu import HEADS, peak_mib, start

SHAPE = {
    "vocab_size": vocabulary.WORDS,
    "hidden_size": vocabulary.WIDTH,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}

ROW = Row(
    title="Forward and backward pass of a Qwen2.5-1.5B shape on a GPU, bfloat16, one sequence",
    work="tokens",
    sides=(
        Side("ours", "main", "transformers' body, then red.objective.vocabulary.logp_and_entropy"),
        Side("openrlhf", "main", "transformers' body, logits in float32, then openrlhf.models.utils"),
    ),
    cases=(Case("8,192 tokens", {"tokens": 8192, "device": "cuda", "shape": SHAPE}),),
    notes="Utilisation is 6 x parameters x tokens plus attention, over the time, over the rate of a bfloat16 "
    "product measured on the same card. Bar: at least 0.45.",
    needs="cuda",
)


def prepare(setting: Setting) -> Run:
    """Gradient checkpointing is off; the optimizer is left out (it does not depend on the tokens)."""
    from transformers import Qwen2Config, Qwen2Model

    size, device = setting.size, setting.size["device"]
    config = Qwen2Config(**size["shape"], attn_implementation="sdpa", use_cache=False)  # type: ignore[call-arg]
    model = Qwen2Model(config).to(device, torch.bfloat16)
    ids = torch.randint(config.vocab_size, (1, size["tokens"] + 1), device=device)
    head = HEADS[setting.side]()
    flops = _flops(model, config, size["tokens"])
    rate = _product_rate(device)

    def run() -> Done:
        held = start(device)
        began = time.perf_counter()
        hidden = model(input_ids=ids[:, :-1]).last_hidden_state[0]
        logp, _ = head(hidden, model.embed_tokens.weight, ids[0, 1:])
        logp.sum().backward()
        peak = peak_mib(device, held)
        seconds = time.perf_counter() - began
        model.zero_grad()
        return Done(size["tokens"], facts={"GPU MiB": peak, "utilisation": flops / seconds / rate})

    return run


def _flops(model: torch.nn.Module, config: Any, tokens: int) -> float:
    """Forward and backward: the embedding counts once, as the head; causal attention counts half."""
    parameters = sum(p.numel() for p in model.parameters())
    attention: int = 6 * config.num_hidden_layers * config.hidden_size * tokens
    return tokens * (6 * parameters + attention)


def _product_rate(device: str) -> float:
    """Operations per second of a large bfloat16 product, the best of ten."""
    side = 8192 if device == "cuda" else 256
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        held = start(device)
        began = time.perf_counter()
        left @ right
        peak_mib(device, held)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best
