"""The sequences of one rank's update as micro-batches: many of similar length at once, or one by one."""

import random
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from bench.card import measured, product_rate
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from bench.rows.training_step_gpu import SHAPE, TINY, body, logp_of, parameters
from bench.rows.vocabulary_gpu import HEADS

PACKED = "red_packed"

ROW = Row(
    title="Update of a Qwen2.5-1.5B shape on a GPU, bfloat16: 28 rollouts and 4 demonstrations, activations recomputed",
    work="tokens",
    sides=(
        Side("ours", "main", "sorted by length, at most so many tokens at once, the vocabulary in blocks"),
        Side("packed", "main", "the same micro-batches in one row without padding, torch's varlen_attn"),
        Side("single", "main", "one sequence at a time, the vocabulary in blocks"),
        Side("wide", "main", "one sequence at a time, logits in float32"),
    ),
    cases=(
        Case(
            "up to 16,384 tokens",
            {
                "rollouts": 28,
                "mean": 1800,
                "demonstrations": 4,
                "long": 3800,
                "most": 8192,
                "tokens": 16_384,
                "device": "cuda",
                "shape": SHAPE,
            },
            2,
        ),
    ),
    bars=(Bar("wide", "time", 1.05),),
    notes="Lengths of rollouts are drawn once, log-normal. TFLOP/s are 8 x parameters x tokens without padding, over "
    "the time: what section `hardware` calls tflops.",
    tiny={
        "rollouts": 3,
        "mean": 10,
        "demonstrations": 1,
        "long": 20,
        "most": 40,
        "tokens": 48,
        "device": "cpu",
        "shape": TINY,
    },
)


def prepare(setting: Setting) -> Run:
    """A run is one pass and its gradient over all sequences."""
    size, device = setting.size, setting.size["device"]
    torch.manual_seed(0)
    rows = [torch.randint(size["shape"]["vocab_size"], (length,)) for length in lengths(size)]
    budget = size["tokens"] if setting.side in ("ours", "packed") else 1
    parts = [[row.to(device) for row in part] for part in micro_batches(rows, budget)]
    model = body(size["shape"], device, attention(device) if setting.side == "packed" else "sdpa")
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    head = HEADS["wide" if setting.side == "wide" else "ours"](device)
    batch: Callable[[list[Tensor]], dict[str, Any]] = packed if setting.side == "packed" else padded
    tokens = sum(map(len, rows))
    operations, rate = 8.0 * parameters(model) * tokens, product_rate(device)

    def run() -> Done:
        total: list[float] = []

        def work() -> None:
            for part in parts:
                logp = logp_of(model, head=head, **batch(part)).float().sum()
                logp.backward()
                total.append(logp.item())

        seconds, peak = measured(device, work)
        model.zero_grad()
        facts = {"TFLOP/s": operations / seconds / 1e12, "share of product rate": operations / seconds / rate}
        return Done(
            tokens, 0.0, peak, seconds, facts={**facts, "micro-batches": len(parts), "logp": sum(total) / tokens}
        )

    return run


def lengths(size: Mapping[str, Any]) -> list[int]:
    """Tokens of each sequence; the mean of the rollouts' distribution is `mean`."""
    draw = random.Random(0)
    rollouts = [draw.lognormvariate(0, 0.7) * size["mean"] / 1.278 for _ in range(size["rollouts"])]
    return [min(max(int(n), 2), size["most"]) for n in rollouts] + [size["long"]] * size["demonstrations"]


def micro_batches(rows: list[Tensor], budget: int) -> list[list[Tensor]]:
    """Longest first; a micro-batch has at most `budget` tokens with its padding, or one sequence."""
    parts: list[list[Tensor]] = []
    for row in sorted(rows, key=len, reverse=True):
        if parts and (len(parts[-1]) + 1) * len(parts[-1][0]) <= budget:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def padded(part: list[Tensor]) -> dict[str, Any]:
    """Filled up at the end, which causal attention does not see: no mask, so the fast kernel is taken."""
    width = max(map(len, part))
    ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
    starts = [width * i for i in range(len(part))]
    return {"ids": ids, **_places(part, starts)}


def packed(part: list[Tensor]) -> dict[str, Any]:
    """One row; positions begin anew with each sequence."""
    starts = [0, *accumulate(map(len, part))]
    ends = torch.tensor(starts, dtype=torch.int32, device=part[0].device)
    position = torch.cat([torch.arange(len(row), device=row.device) for row in part])
    how = {"position_ids": position[None], "red_ends": ends, "red_longest": max(map(len, part))}
    return {"ids": torch.cat(part)[None], **_places(part, starts[:-1]), **how}


def _places(part: list[Tensor], starts: list[int]) -> dict[str, Tensor]:
    device = part[0].device
    places = [torch.arange(start, start + len(row) - 1, device=device) for start, row in zip(starts, part, strict=True)]
    return {"places": torch.cat(places), "target": torch.cat([row[1:] for row in part])}


def attention(device: str) -> str:
    """transformers' name of an attention over packed rows; a CPU has a mask in its place."""
    if device != "cuda":
        return "sdpa"
    from torch.nn.attention.varlen import varlen_attn
    from transformers import AttentionInterface

    def attend(
        _module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        _mask: Any,
        scaling: float,
        red_ends: Tensor,
        red_longest: int,
        **_how: Any,
    ) -> tuple[Tensor, None]:
        q, k, v = (states[0].transpose(0, 1).contiguous() for states in (query, key, value))
        ends, longest = red_ends, red_longest
        found = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=True)
        assert isinstance(found, Tensor)
        return found[None], None

    AttentionInterface.register(PACKED, attend)
    return PACKED
