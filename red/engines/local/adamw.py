"""AdamW without torch.optim's classes: making one of those imports the compiler, a second per process."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW:
    """Decoupled weight decay, bias-corrected moments; one fused kernel over all parameters.

    `lr` may be set before each step. A parameter without a gradient stays as it is.
    """

    eps = 1e-8

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        self.parameters = list(parameters)
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """One update from the parameters' gradients."""
        live = [i for i, p in enumerate(self.parameters) if p.grad is not None]

        def of(values: list[Tensor]) -> list[Tensor]:
            return [values[i] for i in live]

        parameters = of(self.parameters)
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            of(self.first),
            of(self.second),
            [],
            of(self.steps),
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The moments and counts."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore exactly what `state_dict` returned."""
        for name, values in self.state_dict().items():
            for here, there in zip(values, state[name], strict=True):
                here.copy_(there)
