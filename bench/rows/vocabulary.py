"""Hidden states and output embedding to log-probability and entropy, and the gradient back to both."""

from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear

from bench.row import Bar, Case, Done, Row, Run, Setting, Side

WORDS, WIDTH, MIB = 151_936, 1536, 2**20
# (hidden states, embedding, tokens) to log-probabilities and, where a library has it, entropies.
Head = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]

ROW = Row(
    title="Log-probability and entropy of tokens over 151,936 words, forward and backward, float32",
    work="tokens",
    sides=(
        Side("ours", "main", "red.objective.vocabulary.logp_and_entropy"),
        Side("openrlhf", about="logits, then openrlhf.models.utils: compute_entropy, log_probs_from_logits"),
        Side("trl", about="logits, then selective_log_softmax_and_entropy of trl.trainer.utils"),
        Side("liger", about="LigerFusedLinearCrossEntropyFunction (log-probability only)"),
        Side("plain", "main", "logits, log_softmax, gather"),
    ),
    cases=(
        Case("256 tokens", {"tokens": 256}, 3),
        Case("1,024 tokens", {"tokens": 1024}, 2),
        Case("4,096 tokens", {"tokens": 4096}, 2),
    ),
    bars=(Bar("openrlhf", "time", 1 / 1.1, "4,096 tokens"), Bar("openrlhf", "memory", 8, "4,096 tokens")),
    notes="Ours forms the logits twice (4 products instead of 3) and never holds more than 4 M of them. On "
    "processors that are not Intel's, oneDNN's float32 product is about twice as fast as MKL's, which torch "
    "uses by default; with MKL ours would take about 1.2 times OpenRLHF's time. Memory is the peak beyond "
    "the inputs and the two gradients.",
)


def prepare(setting: Setting) -> Run:
    """Random inputs; a run is one forward and one backward pass."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    tokens = setting.size["tokens"]
    if setting.side == "plain" and tokens > 2048:
        raise MemoryError("left out, would take 10 GB")
    hidden = torch.randn(tokens, WIDTH, generator=generator).requires_grad_()
    embedding = torch.randn(WORDS, WIDTH, generator=generator).mul_(0.03).requires_grad_()
    target = torch.randint(WORDS, (tokens,), generator=generator)
    coefficient = torch.randn(tokens, generator=generator)
    logp_and_entropy = HEADS[setting.side]()
    kept = (hidden.numel() + embedding.numel()) * 4 / MIB

    def run() -> Done:
        logp, entropy = logp_and_entropy(hidden, embedding, target)
        (logp * coefficient).sum().backward()
        assert hidden.grad is not None
        facts = {"logp": logp.mean().item(), "gradient": hidden.grad.norm().item()}
        if entropy is not None:
            facts["entropy"] = entropy.mean().item()
        hidden.grad = embedding.grad = None
        return Done(tokens, kept, facts=facts)

    return run


def ours() -> Head:
    """The project's."""
    from red.objective.vocabulary import logp_and_entropy

    return logp_and_entropy


def openrlhf(wide: bool = False) -> Head:
    """`wide`: logits in float32."""
    package = find_spec("openrlhf")
    if package is None:
        raise ModuleNotFoundError("no openrlhf")
    # The package imports flash_attn; this file of it does not.
    [folder] = list(package.submodule_search_locations or [])
    spec = spec_from_file_location("openrlhf_models_utils", Path(folder) / "models" / "utils.py")
    assert spec is not None and spec.loader is not None
    utils = module_from_spec(spec)
    spec.loader.exec_module(utils)

    def head(hidden: Tensor, embedding: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = linear(hidden[None], embedding)
        logits = logits.float() if wide else logits
        return utils.log_probs_from_logits(logits, target[None])[0], utils.compute_entropy(logits)[0]

    return head


def trl() -> Head:
    """TRL's."""
    from trl.trainer.utils import selective_log_softmax_and_entropy

    def head(hidden: Tensor, embedding: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        logits = linear(hidden[None], embedding)
        logp, entropy = selective_log_softmax_and_entropy(logits, target[None], entropy_requires_grad=False)
        return logp[0], entropy[0]

    return head


def liger() -> Head:
    """Liger's, without entropy."""
    from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction

    def head(hidden: Tensor, embedding: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        loss = LigerFusedLinearCrossEntropyFunction.apply(hidden, embedding, target, None, None, -100, 0.0, 0.0, "none")
        return -(loss[0] if isinstance(loss, tuple) else loss), None

    return head


def plain() -> Head:
    """As one would write it."""

    def head(hidden: Tensor, embedding: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        distribution = linear(hidden, embedding).log_softmax(-1)
        entropy = -(distribution.detach().exp() * distribution.detach()).sum(-1)
        return distribution.gather(-1, target[:, None])[:, 0], entropy

    return head


HEADS = {"ours": ours, "openrlhf": openrlhf, "trl": trl, "liger": liger, "plain": plain}
