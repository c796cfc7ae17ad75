"""Muon in float32, for matrices of a small model on a CPU.

torch.optim.Muon orthogonalizes in bfloat16, which few processors have instructions for: there it takes as long as the
model itself. Here matrices of one shape are taken together.
"""

from collections.abc import Iterable
from itertools import groupby

import torch
from torch import Tensor, nn

# Of the quintic iteration of Jordan et al. (2024), which pulls all singular values to about 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum made orthogonal, with decoupled weight decay.

    A step has the size `lr * sqrt(max(1, rows / columns))`.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            matrices = sorted((p for p in group["params"] if p.grad is not None), key=lambda p: tuple(p.shape))
            for (rows, columns), same in groupby(matrices, key=lambda p: tuple(p.shape)):
                together = list(same)
                directions = orthogonal(torch.stack([self._momentum(p, group["momentum"]) for p in together]))
                for matrix, direction in zip(together, directions, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(direction, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)

    def _momentum(self, matrix: nn.Parameter, decay: float) -> Tensor:
        assert matrix.grad is not None
        average: Tensor = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - decay)
        return matrix.grad.lerp(average, decay)


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly U V^T of each `U S V^T`, [N, rows, columns]: singular values between about 0.7 and 1.2."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    a, b, c = COEFFICIENTS
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
