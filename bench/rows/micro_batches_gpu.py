"""The sequences of one rank's update as micro-batches: many of similar length at once, or one by one."""

import random
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from bench.card import measured, product_rate
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from bench.rows.training_step_gpu import SHAPE, TINY, body, logp_of, parameters
from bench.rows.vocabulary_gpu import HEADS
from red.engines.openrlhf.batches import deal

PACKED = "red_packed"

ROW = Row(
    title="Update of a Qwen2.5-1.5B shape on a GPU, bfloat16: 28 rollouts and 4 demonstrations, activations recomputed",
    work="response tokens",
    sides=(
        Side(
            "ours", "main", "sorted by length, at most so many tokens at once, blocks of the vocabulary for responses"
        ),
        Side("packed", "main", "the same micro-batches in one row without padding, torch's varlen_attn"),
        Side("single", "main", "one sequence at a time, blocks of the vocabulary for responses"),
        Side("wide", "main", "one sequence at a time, logits of prompts and responses in float32"),
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
                "prompt": 200,
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
        "prompt": 3,
        "tokens": 48,
        "device": "cpu",
        "shape": TINY,
    },
)


def prepare(setting: Setting) -> Run:
    """A run is one pass and its gradient over all sequences."""
    size, device, side = setting.size, setting.size["device"], setting.side
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    rows = [torch.randint(size["shape"]["vocab_size"], (size["prompt"] + n,), device=device) for n in lengths(size)]
    budget = size["tokens"] if side in ("ours", "packed") else 1
    parts = [[rows[index] for index in part] for part in deal([len(row) for row in rows], 1, budget)]
    model = body(size["shape"], device, attention(device) if side == "packed" else "sdpa").to(dtype)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    head = HEADS["wide" if side == "wide" else "ours"](device)
    read = 1 if side == "wide" else size["prompt"]
    batches = [(packed if side == "packed" else padded)(part, read) for part in parts]
    tokens, answered = sum(map(len, rows)), sum(len(row) - size["prompt"] for row in rows)
    operations, rate = 8.0 * parameters(model) * tokens, product_rate(device)
    facts = {
        "micro-batches": float(len(parts)),
        "computed per response token": sum(batch["ids"].numel() for batch in batches) / answered,
        "logits per response token": sum(len(batch["target"]) for batch in batches) / answered,
    }

    def run() -> Done:
        total: list[float] = []

        def work() -> None:
            for part, batch in zip(parts, batches, strict=True):
                logp = logp_of(model, head=head, **batch).float()
                of_responses = torch.cat([torch.arange(read, len(row)) for row in part]) >= size["prompt"]
                counted = logp[of_responses.to(device)].sum()
                counted.backward()
                total.append(counted.item())

        seconds, peak = measured(device, work)
        model.zero_grad()
        speed = {"TFLOP/s": operations / seconds / 1e12, "share of product rate": operations / seconds / rate}
        return Done(answered, 0.0, peak, seconds, facts={**facts, **speed, "logp": sum(total) / answered})

    return run


def lengths(size: Mapping[str, Any]) -> list[int]:
    """Tokens of each response; the mean of the rollouts' distribution is `mean`."""
    draw = random.Random(0)
    rollouts = [draw.lognormvariate(0, 0.7) * size["mean"] / 1.278 for _ in range(size["rollouts"])]
    return [min(max(int(n), 2), size["most"]) for n in rollouts] + [size["long"]] * size["demonstrations"]


def padded(part: list[Tensor], read: int) -> dict[str, Any]:
    """Filled up at the end, which causal attention does not see: no mask, so the fast kernel is taken."""
    width = max(map(len, part))
    ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
    return {"ids": ids, **_places(part, [width * i for i in range(len(part))], read)}


def packed(part: list[Tensor], read: int) -> dict[str, Any]:
    """One row; positions begin anew with each sequence."""
    starts = [0, *accumulate(map(len, part))]
    ends = torch.tensor(starts, dtype=torch.int32, device=part[0].device)
    position = torch.cat([torch.arange(len(row), device=row.device) for row in part])
    how = {"position_ids": position[None], "red_ends": ends, "red_longest": max(map(len, part))}
    return {"ids": torch.cat(part)[None], **_places(part, starts[:-1], read), **how}


def _places(part: list[Tensor], starts: list[int], read: int) -> dict[str, Tensor]:
    """Where tokens from number `read` on are predicted."""
    device, pairs = part[0].device, list(zip(starts, part, strict=True))
    places = [torch.arange(start + read - 1, start + len(row) - 1, device=device) for start, row in pairs]
    return {"places": torch.cat(places), "target": torch.cat([row[read:] for row in part])}


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
