"""More responses asked for than needed: what ends first is kept, so that a step does not wait for the longest."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def earliest(requests: Sequence[Coroutine[Any, Any, T]], count: int) -> list[T]:
    """Results of the `count` requests that end first, in the requests' order; the others are cancelled.

    What one of them raises, this raises.
    """
    tasks = [asyncio.create_task(request) for request in requests]
    order: list[asyncio.Task[T]] = []
    for task in tasks:
        task.add_done_callback(order.append)
    try:
        for ended in itertools.islice(asyncio.as_completed(tasks), count):
            await ended
        return [task.result() for task in tasks if task in order[:count]]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
