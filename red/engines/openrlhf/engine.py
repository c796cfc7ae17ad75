"""vLLM's side of a weight synchronisation: many weights in one message.

The classes are undecorated and at the top level, so that Ray and vLLM find them by name.
"""

import math
from collections.abc import Sequence as Seq
from typing import Any

import torch
from openrlhf.trainer.ray import vllm_engine
from openrlhf.trainer.ray.utils import get_physical_gpu_id
from openrlhf.trainer.ray.vllm_worker_wrap import WorkerWrap

# Where torch's handle of a CUDA tensor has the number of its device.
DEVICE = 6


class Receiver(WorkerWrap):
    """Mixed into vLLM's worker, whose attributes `device` and `model_runner` it uses."""

    def receive_weights(
        self, contents: Seq[tuple[str, tuple[int, ...]]], dtype: torch.dtype, handles: dict[Any, Any] | None
    ) -> None:
        """Name and shape of what is laid out in one flat tensor, which a handle leads to or the group brings."""
        sizes = [math.prod(shape) for _, shape in contents]
        if handles is None:
            flat = torch.empty(sum(sizes), dtype=dtype, device=self.device)
            self._model_update_group.broadcast(flat, src=0, stream=torch.cuda.current_stream())
        else:
            make, arguments = handles[get_physical_gpu_id()]
            flat = make(*arguments[:DEVICE], self.device.index, *arguments[DEVICE + 1 :])
        parts = zip(contents, flat.split(sizes), strict=True)
        self.model_runner.model.load_weights(weights=[(name, part.view(shape)) for (name, shape), part in parts])
        torch.cuda.synchronize()


class RolloutActor(vllm_engine.RolloutRayActor.__ray_actor_class__):
    """One engine; its workers are `Receiver`s."""

    async def __init__(self, *positional: Any, **named: Any) -> None:  # type: ignore[misc]  # as Ray allows
        named["worker_extension_cls"] = f"{Receiver.__module__}.{Receiver.__qualname__}"
        await super().__init__(*positional, **named)

    async def receive_weights(self, *arguments: Any) -> None:
        """On all of its workers."""
        await self.llm.collective_rpc("receive_weights", args=arguments)
