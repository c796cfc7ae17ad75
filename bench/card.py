"""The device of a GPU row: its clock, its memory, and what it is called."""

import time
from collections.abc import Callable

import torch

MIB, GIB = 2**20, 2**30
PRODUCTS = 10


def measured(device: str, work: Callable[[], object]) -> tuple[float, float | None]:
    """Seconds until the device has done `work`, and its peak memory (MiB) beyond what it held before.

    A CPU has no such peak: None.
    """
    if device != "cuda":
        began = time.perf_counter()
        work()
        return time.perf_counter() - began, None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held, began = torch.cuda.memory_allocated(), time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began, (torch.cuda.max_memory_allocated() - held) / MIB


def product_rate(device: str) -> float:
    """Operations per second of a large bfloat16 product, the best of ten."""
    side = 8192 if device == "cuda" else 256
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / min(measured(device, lambda: left @ right)[0] for _ in range(PRODUCTS))


def clear(device: str) -> None:
    """Give back what a row's tensors held."""
    if device == "cuda":
        torch.cuda.empty_cache()


def name(device: str) -> str:
    """As the driver calls it."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def memory_gib(device: str) -> float | None:
    """All of its memory; None for a CPU."""
    return round(torch.cuda.get_device_properties(0).total_memory / GIB, 1) if device == "cuda" else None
