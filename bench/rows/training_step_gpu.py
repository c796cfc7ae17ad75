"""Forward and backward pass of a randomly initialised Qwen2.5-1.5B shape on a GPU."""

from typing import Any

import torch
from torch import Tensor

from bench.card import measured, product_rate
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from bench.rows import vocabulary
from bench.rows.vocabulary_gpu import HEADS

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
TINY = {
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}

ROW = Row(
    title="Forward and backward pass of a Qwen2.5-1.5B shape on a GPU, bfloat16, one sequence",
    work="tokens",
    sides=(
        Side("ours", "main", "transformers' body, then red.objective.vocabulary.logp_and_entropy"),
        Side("wide", "main", "transformers' body, then logits in float32"),
        Side("openrlhf", "main", "transformers' body, logits in float32, then openrlhf.models.utils"),
    ),
    cases=(Case("8,192 tokens", {"tokens": 8192, "device": "cuda", "shape": SHAPE}),),
    bars=(Bar("ours", "utilisation", 0.45),),
    notes="Utilisation is 6 x parameters x tokens plus attention, over the time, over the rate of a bfloat16 "
    "product measured on the same card. No activation is computed twice; the optimizer, which does not depend on "
    "the tokens, is left out.",
    tiny={"tokens": 8, "device": "cpu", "shape": TINY},
)


def prepare(setting: Setting) -> Run:
    """A run is one pass and its gradient."""
    size, device = setting.size, setting.size["device"]
    head = HEADS[setting.side](device)
    model = body(size["shape"], device)
    ids = torch.randint(size["shape"]["vocab_size"], (1, size["tokens"] + 1), device=device)
    operations = flops(model, size["shape"], size["tokens"])
    rate = product_rate(device)

    def work() -> None:
        hidden = model(input_ids=ids[:, :-1]).last_hidden_state[0]
        logp, _ = head(hidden, model.embed_tokens.weight, ids[0, 1:])
        logp.float().sum().backward()

    def run() -> Done:
        seconds, peak = measured(device, work)
        model.zero_grad()
        facts = {"utilisation": operations / seconds / rate, "product TFLOP/s": rate / 1e12}
        return Done(size["tokens"], 0.0, peak, seconds, facts=facts)

    return run


def body(shape: dict[str, Any], device: str, attention: str = "sdpa") -> Any:
    """transformers' Qwen2 without head, random weights in bfloat16."""
    from transformers import Qwen2Config, Qwen2Model

    config = Qwen2Config(**shape, attn_implementation=attention, use_cache=False)  # type: ignore[call-arg]
    with torch.device(device):
        model: torch.nn.Module = Qwen2Model(config)
    return model.to(torch.bfloat16)


def parameters(model: torch.nn.Module) -> int:
    """The embedding counts once, as the head."""
    return sum(weight.numel() for weight in model.parameters())


def flops(model: torch.nn.Module, shape: dict[str, Any], tokens: int) -> float:
    """Forward and backward; causal attention counts half."""
    attention: int = 6 * shape["num_hidden_layers"] * shape["hidden_size"] * tokens
    return tokens * (6.0 * parameters(model) + attention)


def logp_of(model: Any, ids: Tensor, places: Tensor, target: Tensor, head: vocabulary.Head, **how: Any) -> Tensor:
    """Log-probabilities of `target`, each read at one of `places` of the flat batch `ids`."""
    hidden = model(input_ids=ids, **how).last_hidden_state.flatten(0, 1)[places]
    return head(hidden, model.embed_tokens.weight, target)[0]
