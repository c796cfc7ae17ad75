"""The teacher-forced pass: exact, aligned, and independent of how it is cut."""

import torch

from red.models import checkpoint
from red.models.passes import forward

TEMPERATURE = 0.7
PAIRS = [((5, 6, 7), (8, 9, 1)), ((5, 6, 7), (9, 1)), ((12, 13), (20, 21, 22, 23, 24, 1)), ((5, 6, 7), (1,))]


def base(tiny_world):
    return checkpoint.load(tiny_world / "models" / "base").model


def test_values_are_those_of_the_plain_model(tiny_world):
    model = base(tiny_world)
    found = forward(model, PAIRS, TEMPERATURE, 8192)
    logp, entropy, mask = found.logp, found.entropy, found.mask
    assert mask.sum(1).tolist() == [3, 2, 6, 1]
    for row, (prompt, response) in enumerate(PAIRS):
        logits = model(torch.tensor([prompt + response]))[0, len(prompt) - 1 : -1]
        length = len(response)
        target = torch.tensor(response)[:, None]
        torch.testing.assert_close(
            logp[row, :length], (logits / TEMPERATURE).log_softmax(-1).gather(1, target)[:, 0], rtol=1e-4, atol=1e-4
        )
        torch.testing.assert_close(
            entropy[row, :length], torch.distributions.Categorical(logits=logits).entropy(), rtol=1e-4, atol=1e-4
        )
        assert not logp[row, length:].any() and not entropy[row, length:].any()


def test_the_gradient_does_not_depend_on_the_number_of_passes(tiny_world):
    model = base(tiny_world)
    gradients = []
    for tokens_per_forward in (1, 12, 8192):
        found = forward(model, PAIRS, TEMPERATURE, tokens_per_forward)
        loss = (found.logp * torch.arange(6.0)).sum() + found.entropy.sum()
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-3, atol=1e-3)
