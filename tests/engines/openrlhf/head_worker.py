"""Policies of several architectures with our head in the place of theirs; prints one JSON object per architecture.

A process of its own: OpenRLHF is imported with the shim.
"""

import json

import torch
import transformers
from openrlhf.models import Actor
from torch.nn.functional import pad

from red.engines.openrlhf.head import LogitlessActor
from red.errors import DataError

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "attn_implementation": "eager",
}
ARCHITECTURES = {
    "qwen2": {},
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 2.0},  # tanh after the output layer, which the head does
    "phi": {"num_key_value_heads": 2},  # a bias in the output layer
    "granite": {"logits_scaling": 8.0},  # a factor after the output layer, which is refused
}
LENGTHS, PROMPT, TEMPERATURE = (9, 5, 7), 2, 0.7


class Engine(torch.nn.Module):
    """DeepSpeed's, as far as a forward pass sees it."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **arguments: object) -> object:
        return self.module(**arguments)


def compared(name: str) -> dict:
    """Largest differences of values and gradients to transformers' own logits, padded and packed."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(name, **{**SIZES, **ARCHITECTURES[name]})
    network = transformers.AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    rows = [torch.randint(2, 60, (length,)) for length in LENGTHS]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    attention = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    actions = attention[:, 1:].clone()
    actions[:, : PROMPT - 1] = 0

    logits = network(ids, use_cache=False).logits[:, :-1].float()
    logp = (logits / TEMPERATURE).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0] * actions
    entropy = -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1) * actions
    (logp.sum() + 0.3 * entropy.sum()).backward()
    gradients = {key: value.grad.clone() for key, value in network.named_parameters()}

    actor = Actor(Engine(network), temperature=TEMPERATURE)
    actor.packing_samples = False
    actor.__class__ = LogitlessActor
    try:
        actor.attach()
    except DataError as error:
        return {"refused": str(error)}
    found = {}
    for packing in (False, True):
        actor.packing_samples = packing
        network.zero_grad()
        ours = actor(ids, actions, attention)
        (ours[0].sum() + 0.3 * ours[1].sum()).backward()
        gaps = [(one - other).abs().max().item() for one, other in zip(ours, (logp, entropy), strict=True)]
        moved = [(value.grad - gradients[key]).abs().max().item() for key, value in network.named_parameters()]
        assert pad(actions, (0, 1)).sum() == len(actor.head.places), "prompts and padding cost no logits"
        found["packed" if packing else "padded"] = {"values": max(gaps), "gradients": max(moved)}
    return found


if __name__ == "__main__":
    for name in ARCHITECTURES:
        print(json.dumps({"architecture": name, **compared(name)}), flush=True)
