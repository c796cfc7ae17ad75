"""Probes of large models: a sampling backend draws the rollouts, transformers computes the passes.

The passes are not vLLM's prompt log-probabilities: these hold no entropy, and form the logits of whole chunks.
transformers gives the last hidden states of any architecture, from which the vocabulary operation makes both
numbers block by block, and its device map spreads the layers of a model over all GPUs of the job, or leaves
some in the machine's memory: slower, never out of memory. Backend and passes take turns on the GPUs.
"""

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from red.errors import DataError
from red.methods.base import Problem
from red.models.folder import check_files
from red.models.passes import Pair
from red.objective.vocabulary import logp_and_entropy
from red.probes.reader import TOKENS_PER_FORWARD, Draw, Measured, Rollout
from red.sampling import open_backend
from red.sampling.base import Request, Sampling
from red.seeds import derive

# Relative to the largest logit: more than the rounding of bfloat16.
TOLERANCE = 0.02


class LargeReader:
    """Satisfies `red.probes.reader.Reader`. `device_map` places layers by hand; `offload` is a folder for those
    on disk."""

    def __init__(
        self, backend: str, device_map: Mapping[str, str | int] | None = None, offload: Path | None = None
    ) -> None:
        self.backend = open_backend(backend)
        self.device_map, self.offload = device_map, offload

    def rollouts(
        self, model: Path, wanted: Sequence[tuple[Problem, int]], problems: Sequence[Problem], draw: Draw
    ) -> Iterator[Rollout]:
        """Each with a seed of its own."""
        self.backend.load(model)
        requests = [Request(problem.prompt, derive(draw.seed, problem.id) + index) for problem, index in wanted]
        for number, response in self.backend.generate(requests, Sampling(1.0, draw.max_new_tokens)):
            yield Rollout(*wanted[number], response)

    def measure(self, model: Path, pairs: Sequence[Pair], wanted: Collection[int]) -> Iterator[Measured]:
        """Long pairs first, so that what fits at the start fits to the end."""
        self.backend.close()
        with _opened(model, self.device_map, self.offload) as network:
            sizes = {number: len(pairs[number][0]) + len(pairs[number][1]) for number in wanted}
            for batch in batches(sizes, TOKENS_PER_FORWARD):
                yield from _measured(network, [pairs[number] for number in batch], batch)

    def close(self) -> None:
        """Stop the backend."""
        self.backend.close()


def batches(sizes: Mapping[int, int], tokens: int) -> Iterator[list[int]]:
    """Keys of `sizes`, the largest first, in batches that have at most `tokens` tokens with padding, or one key."""
    batch: list[int] = []
    for key in sorted(sizes, key=lambda key: (-sizes[key], key)):
        if batch and (len(batch) + 1) * sizes[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(key)
    if batch:
        yield batch


@contextmanager
def _opened(folder: Path, device_map: Mapping[str, str | int] | None, offload: Path | None) -> Iterator[Any]:
    """The model in bfloat16 on the GPUs, in float32 where there is none."""
    from transformers import AutoModelForCausalLM

    check_files(folder)
    on_gpu = torch.cuda.is_available()
    placed: dict[str, Any] = {}
    if on_gpu or device_map is not None:
        placed = {"device_map": device_map or "auto", "offload_folder": offload}
    dtype = torch.bfloat16 if on_gpu else torch.float32
    network: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, local_files_only=True, use_safetensors=True, **placed
    )
    network.eval()
    try:
        _check_head(network, folder)
        yield network
    finally:
        del network
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()


@torch.no_grad()
def _measured(network: Any, pairs: Sequence[Pair], numbers: Sequence[int]) -> list[Measured]:
    """Padding is on the right, where no real token sees it."""
    texts = [[*prompt, *response[:-1]] for prompt, response in pairs]
    length = max(map(len, texts))
    ids = torch.tensor([text + [0] * (length - len(text)) for text in texts])
    hidden = _hidden(network, ids)
    rows = zip(hidden, texts, pairs, strict=True)
    source = torch.cat([row[len(prompt) - 1 : len(text)] for row, text, (prompt, _) in rows])
    target = torch.tensor([token for _, response in pairs for token in response])
    lengths = [len(response) for _, response in pairs]
    with _head(network) as weight:
        logp, entropy = logp_and_entropy(source.to(weight.device), weight, target.to(weight.device), cap=_cap(network))
    both = zip(numbers, logp.cpu().split(lengths), entropy.cpu().split(lengths), strict=True)
    return [Measured(number, *values) for number, *values in both]


def _hidden(network: Any, ids: Tensor) -> Tensor:
    first = network.get_input_embeddings().weight.device
    device = ids.device if first.type == "meta" else first
    states: Tensor = network.get_decoder()(input_ids=ids.to(device), use_cache=False).last_hidden_state
    return states


@contextmanager
def _head(network: Any) -> Iterator[Tensor]:
    """The output embedding, brought to a device if it is left elsewhere."""
    head = network.get_output_embeddings()
    if head.weight.device.type != "meta":
        yield head.weight
        return
    from accelerate.utils import align_module_device

    with align_module_device(head, "cuda" if torch.cuda.is_available() else "cpu"):
        yield head.weight


def _cap(network: Any) -> float | None:
    cap: float | None = getattr(network.config, "final_logit_softcapping", None)
    return cap


@torch.no_grad()
def _check_head(network: Any, folder: Path) -> None:
    """DataError for an architecture whose logits are made in another way than from hidden states and head alone."""
    ids = torch.arange(4)[None]
    hidden = _hidden(network, ids)[0]
    with _head(network) as weight:
        logits = (hidden.to(weight.device) @ weight.T).float().cpu()
    if cap := _cap(network):
        logits = cap * (logits / cap).tanh()
    expected = network(input_ids=ids.to(hidden.device), use_cache=False).logits[0].float().cpu()
    if (logits - expected).abs().max() > TOLERANCE * expected.abs().max():
        kind = network.config.model_type
        raise DataError(f"{folder}: {kind!r} does more to its logits than a product and a cap; probes do not read it")
