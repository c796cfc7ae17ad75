"""The packed pass computes what the plain model computes, with every distinct token read once."""

import pytest
import torch
from torch.autograd import gradcheck

from red.models import packed
from red.models.packed import hidden, pack
from red.models.qwen2 import Qwen2, Shape, initialize

PAIRS = [
    ((3, 4, 5), (6, 7, 8, 9)),
    ((3, 4, 5), (6,)),
    ((2,), (9, 9)),
    ((3, 4, 5), (7, 8)),
    ((3, 4), tuple(range(2, 30))),
]
TOKENS = 6 + 32


def model(seed=0, **changes):
    shape = Shape(
        **{
            "vocab_size": 31,
            "hidden_size": 12,
            "intermediate_size": 20,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
            "max_position_embeddings": 64,
            **changes,
        }
    )
    made, generator = Qwen2(shape).double(), torch.Generator().manual_seed(seed)
    initialize(made, generator)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


def logps(made, packing):
    logits = made.lm_head(hidden(made, packing)[packing.source])
    return logits.log_softmax(-1).gather(1, packing.target[:, None])[:, 0]


def plain_logps(made, pairs):
    found = []
    for prompt, response in pairs:
        logits = made(torch.tensor([prompt + response]))[0, len(prompt) - 1 : -1]
        found.append(logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0])
    return torch.cat(found)


@pytest.mark.parametrize(
    "changes", [{}, {"tie_word_embeddings": False}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1}]
)
def test_values_and_gradients_are_those_of_the_plain_model(changes):
    made = model(**changes)
    found, expected = logps(made, pack(PAIRS)), plain_logps(made, PAIRS)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    coefficient = torch.linspace(-1, 2, len(expected), dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((found * coefficient).sum(), list(made.parameters())),
        torch.autograd.grad((expected * coefficient).sum(), list(made.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_float32_differs_by_rounding_only():
    made = model().float()
    torch.testing.assert_close(logps(made, pack(PAIRS)), plain_logps(made, PAIRS), rtol=1e-5, atol=1e-5)


def test_equal_prompts_are_read_once_and_last_tokens_not_at_all():
    packing = pack(PAIRS)
    # prompts (3, 4, 5), (2,), (3, 4); responses without their last tokens: 3 + 0 + 1 + 1 + 27
    assert max(int(rows.max()) for rows in packing.rows) == TOKENS - 1
    assert len(packing.ids) == len(packing.position) == packed.MULTIPLE > TOKENS
    assert len(packing.source) == len(packing.target) == sum(len(response) for _, response in PAIRS)


def test_every_token_is_found_at_its_own_place():
    packing = pack(PAIRS)
    places = torch.cat([rows.flatten() for rows in packing.rows])
    assert torch.equal(places[packing.home[:TOKENS]], torch.arange(TOKENS))


def test_rows_together_are_of_similar_length():
    pairs = [((1,), tuple(range(length))) for length in range(1, 100)]
    for rows in pack(pairs).rows:
        shortest = int((rows != 0).sum(1).min()) + 1
        assert rows.shape[1] <= packed.SPREAD * (shortest + 1)


def test_a_response_does_not_depend_on_its_neighbors():
    made = model()
    alone = torch.cat([logps(made, pack([pair])) for pair in PAIRS])
    torch.testing.assert_close(logps(made, pack(PAIRS)), alone, rtol=1e-11, atol=1e-11)


def test_two_passes_are_equal_bit_for_bit():
    made = model().float()
    results = []
    for _ in range(2):
        logp = logps(made, pack(PAIRS))
        results.append([logp, *torch.autograd.grad(logp.sum(), list(made.parameters()))])
    assert all(map(torch.equal, *results))


def test_hand_written_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, gates = (
        torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True)
        for size in ((5, 4), (3, 4), (3,), (5, 6))
    )
    assert gradcheck(packed._linear, (x, weight, bias))
    assert gradcheck(packed._linear, (x, weight))
    assert gradcheck(lambda x: packed._normalize(x, 1e-6), (x,))
    assert gradcheck(packed._Gate.apply, (gates,))
    turns = torch.polar(
        torch.ones(5, 1, 1, dtype=torch.float64), torch.linspace(0, 2, 5, dtype=torch.float64)[:, None, None]
    )
    wide, wide_bias = (
        torch.randn(n, generator=generator, dtype=torch.float64, requires_grad=True) for n in ((6, 4), (6,))
    )
    assert gradcheck(lambda *inputs: packed._Turned.apply(*inputs, turns, 4), (x, wide, wide_bias))


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_short_rows_have_the_attention_of_long_ones(kv_heads, monkeypatch):
    qkv = torch.randn(3, 7, 4 + 2 * kv_heads, 6, dtype=torch.float64, requires_grad=True)
    results = []
    for longest in (7, 6):
        monkeypatch.setattr(packed, "SHORT", longest)
        context = packed._attend(qkv, 4, kv_heads)
        results.append((context, torch.autograd.grad(context.square().sum(), qkv)[0]))
    for short, long in zip(*results, strict=True):
        torch.testing.assert_close(short, long, rtol=1e-11, atol=1e-11)
