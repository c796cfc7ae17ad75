"""The optimizer is torch's AdamW, without its import."""

import copy
import subprocess
import sys

import torch

from red.engines.local.adamw import AdamW

SETTINGS = {"lr": 1e-2, "betas": (0.9, 0.95), "weight_decay": 0.1}


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator, requires_grad=True) for size in ((3, 4), (5,), (2,))]


def run(optimizer, own, steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in own[:2]:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
        optimizer.zero_grad()


def test_steps_are_those_of_torch_and_a_parameter_without_gradient_stays():
    ours, theirs = parameters(), parameters()
    run(AdamW(ours, **SETTINGS), ours, 5)
    run(torch.optim.AdamW(theirs, **SETTINGS), theirs, 5)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    assert torch.equal(ours[2], parameters()[2])


def test_a_restored_optimizer_continues_bit_for_bit():
    whole = parameters()
    optimizer = AdamW(whole, **SETTINGS)
    run(optimizer, whole, 3)
    other = [p.detach().clone().requires_grad_() for p in whole]
    restored = AdamW(other, **SETTINGS)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(optimizer, whole, 3, seed=2)
    run(restored, other, 3, seed=2)
    assert all(map(torch.equal, whole, other))


def test_the_learning_rate_of_a_step_can_be_set():
    own = parameters()
    optimizer = AdamW(own, **SETTINGS)
    optimizer.lr = 0.0
    run(optimizer, own, 2)
    assert all(map(torch.equal, own, parameters()))


def test_no_compiler_is_imported(tiny_world):
    """It would cost every process a second."""
    code = (
        "import sys, torch; from red.engines.local.adamw import AdamW; from red.models import checkpoint;"
        "AdamW(checkpoint.load(sys.argv[1]).model.parameters(), 1e-3, (0.9, 0.95), 0.0);"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tiny_world / "models" / "base")]).returncode == 0
