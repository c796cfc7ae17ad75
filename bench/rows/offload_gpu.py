"""What sleeping costs: a state from the GPU to the machine's memory and back."""

import torch
from torch import Tensor

from bench.card import GIB, measured
from bench.row import Case, Done, Row, Run, Setting, Side

ROW = Row(
    title="Offload to the machine's memory and reload, Qwen2.5-1.5B",
    work="GiB",
    sides=(
        Side("ours", "main", "pinned memory that is kept"),
        Side("anew", "main", "memory that is pinned each time"),
        Side("pageable", "main", "memory that is not pinned"),
    ),
    cases=(
        Case("optimizer of one rank of eight", {"gib": 12 * 1.54e9 / 8 / GIB, "device": "cuda"}, 3),
        Case("weights in bfloat16", {"gib": 2 * 1.54e9 / GIB, "device": "cuda"}, 3),
    ),
    notes="A GiB counts once for both ways.",
    tiny={"gib": 0.001, "device": "cpu"},
)


def prepare(setting: Setting) -> Run:
    """A run is both ways, and checks what came back."""
    size, device = setting.size, setting.size["device"]
    state = torch.full((int(size["gib"] * GIB / 4),), 3.0, device=device)
    kept = memory(state, setting.side)

    def work() -> None:
        room = kept if setting.side == "ours" else memory(state, setting.side)
        room.copy_(state)
        state.zero_()
        state.copy_(room)

    def run() -> Done:
        seconds, peak = measured(device, work)
        if state[-1].item() != 3.0:
            raise ValueError("what came back is not what was sent")
        return Done(size["gib"], 0.0, peak, seconds)

    return run


def memory(state: Tensor, side: str) -> Tensor:
    """Of the machine, as large as `state`; a CPU alone pins nothing."""
    return torch.empty_like(state, device="cpu", pin_memory=side != "pageable" and state.is_cuda)
