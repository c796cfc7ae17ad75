"""The operation of row `vocabulary` on a GPU, bfloat16."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import linear

from bench.card import MIB, measured
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from bench.rows import vocabulary

ROW = Row(
    title="Log-probability and entropy of tokens over 151,936 words on a GPU, forward and backward, bfloat16",
    work="tokens",
    sides=(
        Side("ours", "main", "red.objective.vocabulary.logp_and_entropy"),
        Side("wide", "main", "logits in float32, logsumexp, gather: what OpenRLHF's and TRL's operations come to"),
        Side("openrlhf", "main", "logits in float32, then openrlhf.models.utils"),
        Side("trl", "main", "logits, then selective_log_softmax_and_entropy of trl.trainer.utils"),
        Side("liger", "main", "LigerFusedLinearCrossEntropyFunction (log-probability only)"),
        Side("compiled", "main", "side wide under torch.compile"),
    ),
    cases=(Case("16,384 tokens", {"tokens": 16_384, "words": vocabulary.WORDS, "device": "cuda"}),),
    bars=(Bar("wide", "time", 1 / 1.1), Bar("wide", "memory", 8)),
    tiny={"tokens": 8, "words": 300, "device": "cpu"},
)


def prepare(setting: Setting) -> Run:
    """As in row `vocabulary`; memory is the GPU's beyond the inputs and the two gradients."""
    size = setting.size
    device, dtype = size["device"], torch.bfloat16
    head = HEADS[setting.side](device)
    torch.manual_seed(0)
    hidden = torch.randn(size["tokens"], vocabulary.WIDTH, device=device, dtype=dtype).requires_grad_()
    scaled = torch.randn(size["words"], vocabulary.WIDTH, device=device, dtype=dtype).mul_(0.03)
    embedding = scaled.requires_grad_()
    target = torch.randint(size["words"], (size["tokens"],), device=device)
    kept = (hidden.numel() + embedding.numel()) * 2 / MIB

    def run() -> Done:
        found: list[Tensor] = []

        def work() -> None:
            logp, _ = head(hidden, embedding, target)
            logp.float().sum().backward()
            found.append(logp.detach())

        seconds, peak = measured(device, work)
        hidden.grad = embedding.grad = None
        facts = {"logp": found[0].float().mean().item()}
        return Done(size["tokens"], kept if peak is not None else 0.0, peak, seconds, facts=facts)

    return run


def wide() -> vocabulary.Head:
    """All logits at once, in float32; the entropy without gradient."""

    def head(hidden: Tensor, embedding: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = linear(hidden, embedding).float()
        total = logits.logsumexp(-1)
        logp = logits.gather(-1, target[:, None])[:, 0] - total
        with torch.no_grad():
            entropy = total - (logits.softmax(-1) * logits).sum(-1)
        return logp, entropy

    return head


def compiled(device: str) -> vocabulary.Head:
    """On a CPU it would measure another compiler."""
    if device != "cuda":
        raise NotImplementedError("torch.compile is measured on a GPU only")
    return torch.compile(wide())


def anywhere(make: Callable[[], vocabulary.Head]) -> Callable[[str], vocabulary.Head]:
    """A side that does not ask for the device."""
    return lambda _device: make()


HEADS: dict[str, Callable[[str], vocabulary.Head]] = {
    "ours": anywhere(vocabulary.ours),
    "wide": anywhere(wide),
    "openrlhf": anywhere(partial(vocabulary.openrlhf, wide=True)),
    "trl": anywhere(vocabulary.trl),
    "liger": anywhere(vocabulary.liger),
    "compiled": compiled,
}
