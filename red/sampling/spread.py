"""Answers from several GPUs: on each a process with a backend of its own, which gets a share of the prompts.

Each response has its own seed, so which process draws it decides nothing.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from red.errors import ConfigError, RedError
from red.sampling.base import Backend, Request, Sampling
from red.sampling.response import Response

SECONDS_TO_END = 30


def devices(count: int) -> list[str]:
    """Names of so many GPUs, of those that this process may see; ConfigError if they are fewer."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(count)] if visible is None else visible.split(",")
    if len(names) < count:
        raise ConfigError(f"--gpus {count}: CUDA_VISIBLE_DEVICES names {len(names)}")
    return names[:count]


class Spread:
    """Satisfies `red.sampling.base.Backend`. The processes call `open_backend`, which they import by its name."""

    def __init__(
        self, open_backend: Callable[[], Backend], devices: Sequence[str], context: BaseContext | None = None
    ) -> None:
        processes: Any = context or multiprocessing.get_context("spawn")
        self.name = "spread"
        self._pipes: list[Connection] = []
        self._processes = []
        for device in devices:
            ours, theirs = processes.Pipe()
            # No daemon: an engine starts processes of its own. It ends with its pipe.
            process = processes.Process(target=_serve, args=(theirs, open_backend, device))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def load(self, checkpoint: Path) -> None:
        """On all GPUs at once."""
        for pipe in self._pipes:
            pipe.send(("load", (checkpoint,)))
        for _ in self._answers(self._pipes):
            pass

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        """Prompt by prompt to one GPU after the other, so that a prompt is read once for its responses."""
        prompts = [list(group) for _, group in groupby(range(len(requests)), key=lambda i: requests[i].prompt)]
        busy = []
        for number, pipe in enumerate(self._pipes):
            positions = [position for prompt in prompts[number :: len(self._pipes)] for position in prompt]
            if positions:
                pipe.send(("generate", (positions, [requests[position] for position in positions], sampling)))
                busy.append(pipe)
        yield from self._answers(busy)

    def close(self) -> None:
        """End the processes and what they started."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
        for process in self._processes:
            process.join(SECONDS_TO_END)
            if process.is_alive():
                process.terminate()

    def _answers(self, pipes: Sequence[Connection]) -> Iterator[Any]:
        """What the processes say, until each has said that it is done."""
        busy = set(pipes)
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                try:
                    said = pipe.recv()
                except EOFError:
                    raise RedError(
                        "a process that generates on one of several GPUs has ended; its log says why"
                    ) from None
                if isinstance(said, BaseException):
                    raise said
                if said is None:
                    busy.discard(pipe)
                else:
                    yield said


def _serve(pipe: Connection, open_backend: Callable[[], Backend], device: str) -> None:
    """One process: (what, arguments) in; answers, then None, or an error out."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device  # before the backend imports torch
    backend: Backend | None = None
    try:
        while True:
            try:
                order = pipe.recv()
            except EOFError:
                return
            if order is None:
                return
            backend = backend or open_backend()
            what, arguments = order
            try:
                if what == "load":
                    backend.load(*arguments)
                else:
                    positions, requests, sampling = arguments
                    for index, response in backend.generate(requests, sampling):
                        pipe.send((positions[index], response))
                pipe.send(None)
            except RedError as error:
                pipe.send(error)
    finally:
        if backend is not None:
            backend.close()
