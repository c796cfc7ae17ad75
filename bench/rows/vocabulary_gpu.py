"""The operation of row `vocabulary` on a GPU, bfloat16."""

from bench.row import Bar, Case, Done, Row, Setting, Side
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


def prepare(setting: Setting):
    """As in row `vocabulary`; peak GPU memory beyond inputs and gradients is among the facts."""
    import torch

    size = setting.size
    options = {"device": size["device"], "dtype": torch.bfloat16}
    hidden = torch.randn(size["tokens"], vocabulary.WIDTH, **options).requires_grad_()
    embedding = torch.randn(size["words"], vocabulary.WIDTH, **options).mul_(0.03).requires_grad_()
    target = torch.randint(size["words"], (size["tokens"],), device=size["device"])
    logp_and_entropy = PATHS[setting.side]()

    def run() -> Done:
        start(size["device"])
        logp, _ = logp_and_entropy(hidden, embedding, target)
        logp.float().sum().backward()
        peak = peak_mib(size["device"]) - (hidden.numel() + embedding.numel()) * 2 / 2**20
        hidden.grad = embedding.grad = None
        return Done(size["tokens"], facts={"GPU MiB": peak})

    return run


def start(device: str) -> None:
    """Finish what is queued and begin a new maximum."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        start.held = torch.cuda.memory_allocated()


def peak_mib(device: str) -> float:
    """GPU memory beyond what was held at `start`, after waiting for the device."""
    import torch

    if device != "cuda":
        return 0.0
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - start.held) / 2**20


def _openrlhf():
    path = vocabulary._openrlhf()
    return lambda hidden, embedding, target: path(hidden, embedding, target, wide=True)


def _compiled():
    import torch

    return torch.compile(vocabulary._plain())


PATHS = {"ours": vocabulary._ours, "openrlhf": _openrlhf, "trl": vocabulary._trl, "compiled": _compiled}
