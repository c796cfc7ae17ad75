"""Sampling with vLLM's offline engine: started once, then given the weights of each checkpoint in place."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.models.folder import load_codec
from red.plumbing.storage import read_json
from red.sampling.base import Request, Sampling
from red.sampling.response import Response, until_stop
from red.sampling.vllm_worker import WeightSwap

# By name, because vLLM imports it in processes of its own.
SWAP = f"{WeightSwap.__module__}.{WeightSwap.__qualname__}"
# Keys of config.json that do not change what the engine has built.
BOOKKEEPING = {"_name_or_path", "transformers_version", "eos_token_id", "pad_token_id", "bos_token_id"}


class VllmBackend:
    """One engine for every checkpoint of one architecture; another architecture starts another engine."""

    name = "vllm"

    def __init__(self) -> None:
        self._engine: Any = None
        self._architecture: dict[str, Any] = {}
        self._stops: tuple[int, ...] = ()

    def load(self, checkpoint: Path) -> None:
        """Start the engine, or replace its weights and drop what it remembers of the old ones."""
        config = read_json(checkpoint / "config.json")
        architecture = {key: value for key, value in config.items() if key not in BOOKKEEPING}
        self._stops = load_codec(checkpoint).stop_ids
        if self._engine is not None and architecture == self._architecture:
            self._engine.collective_rpc("swap_weights", args=(str(checkpoint),))
            self._engine.reset_prefix_cache()
            return
        self.close()
        self._engine, self._architecture = _start(checkpoint, config), architecture

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        """All requests are queued at once; answers come as they end. Stopping early aborts the rest."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        engine = self._engine.llm_engine
        waiting = {str(index) for index in range(len(requests))}
        for index, request in enumerate(requests):
            parameters = SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=request.most(sampling),
                seed=request.seed,
                # Ours are all that there are; vLLM would stop at what the tokenizer alone calls its end, too.
                ignore_eos=True,
                stop_token_ids=list(self._stops),
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
            engine.add_request(str(index), {"prompt_token_ids": list(request.prompt)}, parameters)
        try:
            while waiting:
                for output in engine.step():
                    if output.finished:
                        waiting.remove(output.request_id)
                        yield int(output.request_id), until_stop(output.outputs[0].token_ids, self._stops)
        finally:
            engine.abort_request(list(waiting))

    def close(self) -> None:
        """Stop the engine's processes."""
        if self._engine is not None:
            self._engine.llm_engine.engine_core.shutdown()
            self._engine = None


def open_backend() -> VllmBackend:
    """A backend without an engine yet; DataError if vLLM is not installed."""
    if find_spec("vllm") is None:
        raise DataError("backend vllm: vLLM is not installed (make setup-engines); or use the local backend")
    return VllmBackend()


def _start(checkpoint: Path, config: dict[str, Any]) -> Any:
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    # Only the CPU build reads these: GiB, and no binding, because each engine would take the first core.
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    from vllm import LLM
    from vllm.platforms import current_platform

    # "auto" would run float32 checkpoints in bfloat16.
    dtype = config.get("dtype") or config.get("torch_dtype") or "auto"
    only_on_cpu: dict[str, Any] = {}
    if current_platform.is_cpu():
        _check_head_size(checkpoint, config)
        # vLLM 0.29 rewinds the generator of a seeded request whose prompt is read in chunks, which torch
        # cannot do on a CPU ("CPU Generator does not use offset"): read every prompt at once.
        # Most processors have no instructions for bfloat16: it would take several times as long.
        dtype = "float32"
        only_on_cpu = {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": config["max_position_embeddings"],
        }
    return LLM(model=str(checkpoint), dtype=dtype, skip_tokenizer_init=True, worker_extension_cls=SWAP, **only_on_cpu)


def _check_head_size(checkpoint: Path, config: dict[str, Any]) -> None:
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    possible = CPUAttentionBackend.get_supported_head_sizes()
    if size not in possible:
        raise DataError(
            f"{checkpoint}: heads of size {size}; vLLM on a CPU computes only "
            f"{', '.join(map(str, possible))}; use the local backend"
        )
