"""Batched sampling: each prompt is read once for its group, rows that ended leave the batch."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from red.errors import NumericalError
from red.models.decoder import Decoder
from red.models.qwen2 import Qwen2
from red.sampling.response import Response, until_stop

# Moving the cache costs about as much as a few steps, so rows leave in batches.
LIVE_SHARE = 0.8
# Rows decoded together: on a CPU the cache of more rows falls out of the processor's own cache.
ROWS = {"cpu": 256}
ROWS_ELSEWHERE = 4096
# Bytes of keys and values held at once: a large model has few rows in a batch, whatever the device.
CACHE = {"cpu": 4 << 30}
CACHE_ELSEWHERE = 16 << 30
# Largest uniform number: by more than float32 rounding below 1, so that u * total < total.
BELOW_ONE = 1 - 2**-22


@torch.inference_mode()
def sample(
    model: Qwen2,
    prompts: Sequence[Sequence[int]],
    *,
    samples: int,
    max_new_tokens: int | Sequence[int],
    stop_ids: Sequence[int],
    temperature: float,
    generator: torch.Generator | None = None,
    uniform: Tensor | None = None,
) -> list[list[Response]]:
    """`samples` responses to each prompt, each up to one of `stop_ids`; temperature 0 takes the most likely token.

    All randomness is drawn from `generator` (on the CPU) before the first token, one number per
    response and position, so a response does not depend on when other rows end.
    `uniform` [prompts, samples, positions] in [0, 1) takes the generator's place, so that each response
    can have a seed of its own. `max_new_tokens` may be one number or one per prompt.
    """
    limits = _limits(prompts, max_new_tokens)
    if not prompts or samples < 1:
        return [[] for _ in prompts]
    if temperature == 0:
        uniform = None
    else:
        if uniform is None:
            uniform = torch.rand(len(prompts), samples, max(limits), generator=generator)
        uniform = uniform * BELOW_ONE
    groups: list[list[Response]] = []
    prompts_at_once = max(1, rows_at_once(model, max(map(len, prompts)) + max(limits)) // samples)
    for start in range(0, len(prompts), prompts_at_once):
        part = slice(start, start + prompts_at_once)
        decoder = Decoder(model, prompts[part], samples, max(limits[part]))
        if temperature > 0:
            decoder.head /= temperature
            decoder.logits /= temperature
        limit = torch.tensor(limits[part], device=decoder.logits.device).repeat_interleave(samples)
        numbers = None if uniform is None else uniform[part].flatten(0, 1).to(limit.device)
        tokens = _generate(decoder, limit, stop_ids, numbers)
        rows = [until_stop(row[:n], stop_ids) for row, n in zip(tokens.tolist(), limit.tolist(), strict=True)]
        groups += [rows[row : row + samples] for row in range(0, len(rows), samples)]
    return groups


def rows_at_once(model: Qwen2, columns: int) -> int:
    """Rows of that many tokens that are decoded together."""
    shape, weight = model.shape, model.lm_head.weight
    row = 2 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim * columns * weight.element_size()
    device = weight.device.type
    return min(ROWS.get(device, ROWS_ELSEWHERE), CACHE.get(device, CACHE_ELSEWHERE) // row)


def _limits(prompts: Sequence[Sequence[int]], max_new_tokens: int | Sequence[int]) -> list[int]:
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    if len(limits) != len(prompts):
        raise ValueError(f"{len(limits)} values of max_new_tokens for {len(prompts)} prompts")
    if any(limit < 1 for limit in limits) or any(not prompt for prompt in prompts):
        raise ValueError("every prompt needs at least one token, and max_new_tokens at least 1")
    return limits


def _generate(decoder: Decoder, limit: Tensor, stop_ids: Sequence[int], uniform: Tensor | None) -> Tensor:
    """Token ids [B, max limit]; what follows a row's first end token or its limit has no meaning."""
    shortest, longest = int(limit.min()), int(limit.max())
    out = limit.new_full((longest, len(limit)), -1)
    row = torch.arange(len(limit), device=limit.device)
    alive = torch.ones_like(row, dtype=torch.bool)
    if uniform is not None:
        uniform = uniform.T.contiguous()
    for position in range(longest):
        token = _choose(decoder.logits, None if uniform is None else uniform[position])
        out[position].index_copy_(0, row, token)
        for stop in stop_ids:
            alive &= token != stop
        if position + 1 >= shortest:
            alive &= limit > position + 1
        count = int(alive.sum())
        if count == 0:
            break
        if count < LIVE_SHARE * len(row):
            live_rows = alive.nonzero().squeeze(1)
            decoder.keep(live_rows)
            row, token, limit, alive = row[live_rows], token[live_rows], limit[live_rows], alive[live_rows]
            if uniform is not None:
                uniform = uniform[:, live_rows]
        decoder.step(token)
    return out.T


def _choose(logits: Tensor, uniform: Tensor | None) -> Tensor:
    """Inverse of the cumulative distribution at `uniform` [B]; arg max without it."""
    if uniform is None:
        largest, token = logits.max(-1)
        _check(largest)
        return token
    cumulative = logits.softmax(-1).cumsum(-1)
    total = cumulative[:, -1]
    _check(total)
    return torch.searchsorted(cumulative, (uniform * total).unsqueeze(1), right=True).squeeze(1)


def _check(value: Tensor) -> None:
    """One number per row tells: NaN and infinite logits reach the sum and the maximum."""
    if not math.isfinite(value.sum()):
        raise NumericalError("sampling: the model's logits are not finite; its weights or inputs are broken")
