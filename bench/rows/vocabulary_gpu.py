"""The operation of row `vocabulary` on a GPU, bfloat16."""

from collections.abc import Callable
from functools import partial

import torch

from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from bench.rows import vocabulary

ROW = Row(
    title="Log-probability and entropy of tokens over 151,936 words on a GPU, forward and backward, bfloat16",
    work="tokens",
    sides=(
        Side("ours", "main", "red.objective.vocabulary.logp_and_entropy"),
        Side("openrlhf", "main", "logits in float32, then openrlhf.models.utils"),
        Side("trl", about="logits, then selective_log_softmax_and_entropy of trl.trainer.utils"),
        Side("compiled", "main", "logits, log_softmax, gather under torch.compile"),
    ),
    cases=(Case("16,384 tokens", {"tokens": 16_384, "words": vocabulary.WORDS, "device": "cuda"}),),
    bars=(Bar("openrlhf", "time", 1 / 1.1),),
    needs="cuda",
)


def prepare(setting: Setting) -> Run:
    """As in row `vocabulary`; peak GPU memory beyond inputs and gradients is among the facts."""
    size = setting.size
    device, dtype = size["device"], torch.bfloat16
    hidden = torch.randn(size["tokens"], vocabulary.WIDTH, device=device, dtype=dtype).requires_grad_()
    embedding = torch.randn(size["words"], vocabulary.WIDTH, device=device, dtype=dtype).mul_(0.03).requires_grad_()
    target = torch.randint(size["words"], (size["tokens"],), device=device)
    logp_and_entropy = HEADS[setting.side]()

    def run() -> Done:
        held = start(device)
        logp, _ = logp_and_entropy(hidden, embedding, target)
        logp.float().sum().backward()
        peak = peak_mib(device, held) - (hidden.numel() + embedding.numel()) * 2 / 2**20
        hidden.grad = embedding.grad = None
        return Done(size["tokens"], facts={"GPU MiB": peak})

    return run


def start(device: str) -> int:
    """Finish what is queued and begin a new maximum; returns the bytes that are held."""
    if device != "cuda":
        return 0
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def peak_mib(device: str, held: int) -> float:
    """GPU memory beyond the `held` bytes, after waiting for the device."""
    if device != "cuda":
        return 0.0
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - held) / 2**20


def compiled() -> vocabulary.Head:
    """The plain way under torch.compile."""
    return torch.compile(vocabulary.plain())


HEADS: dict[str, Callable[[], vocabulary.Head]] = {
    "ours": vocabulary.ours,
    "openrlhf": partial(vocabulary.openrlhf, wide=True),
    "trl": vocabulary.trl,
    "compiled": compiled,
}
