"""Muon in float32 against torch's, which rounds to bfloat16."""

import torch

from red.world.muon import ITERATIONS, Muon, orthogonal

SHAPES = [(8, 8), (16, 6), (6, 16), (8, 8)]


def matrices(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def test_it_moves_as_torchs_does_to_three_digits():
    ours, theirs = matrices(0), matrices(0)
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3}
    optimizers = Muon(ours, **options), torch.optim.Muon(theirs, ns_steps=ITERATIONS, **options)
    for step in range(5):
        for mine, other, gradient in zip(ours, theirs, matrices(step + 1), strict=True):
            mine.grad, other.grad = gradient.detach(), gradient.detach()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, start in zip(ours, theirs, matrices(0), strict=True):
        moved = (other - start).abs().max()
        assert (mine - other).abs().max() < 0.02 * moved and moved > 0.1


def test_a_direction_has_singular_values_of_about_one():
    for shape in SHAPES:
        values = torch.linalg.svdvals(orthogonal(torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))))
        assert values.min() > 0.3 and values.max() < 1.3


def test_matrices_of_one_shape_do_not_mix():
    together, alone = matrices(0), matrices(0)
    for one in (together, alone):
        for matrix, gradient in zip(one, matrices(1), strict=True):
            matrix.grad = gradient.detach()
    Muon(together, lr=0.1).step()
    for matrix in alone:
        Muon([matrix], lr=0.1).step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_a_matrix_without_a_gradient_stays():
    first, second = matrices(0)[:2]
    first.grad = torch.ones_like(first)
    before = second.clone()
    Muon([first, second], lr=0.1).step()
    assert torch.equal(second, before)
