"""Weights from one process to another on the same GPU, as colocated engines do it: a handle per message."""

from multiprocessing.connection import Connection

import torch

from bench.card import MIB, measured
from bench.row import Case, Done, Row, Run, Setting, Side

BUCKETS = 8
SECONDS = 30  # to start a process and to open a message

ROW = Row(
    title="All weights of Qwen2.5-1.5B by handle to another process on the same GPU, bfloat16",
    work="GiB",
    sides=(
        Side("ours", "main", f"{BUCKETS} buckets, one message each"),
        Side("single", "main", "a message per tensor, as OpenRLHF sends them"),
    ),
    cases=(Case("338 tensors, 2.9 GiB", {"tensors": 338, "mib": 8.7, "device": "cuda", "start": "spawn"}),),
    notes="The other process reads a number of each message and says whether it was right.",
    tiny={"tensors": 9, "mib": 0.1, "device": "cpu", "start": "fork"},
)


def prepare(setting: Setting) -> Run:
    """A run sends everything once and waits for all answers."""
    import torch.multiprocessing as processes

    size, device = setting.size, setting.size["device"]
    messages = min(BUCKETS, size["tensors"]) if setting.side == "ours" else size["tensors"]
    count = int(size["mib"] * MIB / 2 * size["tensors"] / messages)
    context = processes.get_context(size["start"])
    ours, theirs = context.Pipe()
    other = context.Process(target=receive, args=(theirs,), daemon=True)
    other.start()
    theirs.close()
    weights = torch.ones(count, dtype=torch.bfloat16, device=device)

    def work() -> None:
        for number in range(messages):
            # A new tensor each time, as an engine gathers it.
            ours.send((weights * (number % 7), float(number % 7)))
            if not ours.poll(SECONDS):
                raise TimeoutError(f"message {number}: no answer within {SECONDS} s")
            if not ours.recv():
                raise ValueError(f"message {number}: the other process read another number")

    def run() -> Done:
        seconds, peak = measured(device, work)
        return Done(messages * count * 2 / MIB / 1024, 0.0, peak, seconds, facts={"messages": messages})

    return run


def receive(pipe: Connection) -> None:
    """The other process: it ends with the pipe."""
    while True:
        try:
            tensor, value = pipe.recv()
        except EOFError:
            return
        pipe.send(bool(tensor[-1].item() == value))
        del tensor
