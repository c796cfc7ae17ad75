"""More requests than are needed: the first to end are kept, the others end too."""

import asyncio
import random

import pytest

from red.sampling.earliest import earliest


class Log:
    """What became of each request."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.cancelled: list[int] = []

    async def request(self, name: int, ticks: int, fails: bool = False) -> int:
        """Ends after so many turns of the event loop."""
        try:
            for _ in range(ticks):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if fails:
            raise ValueError(f"request {name}")
        self.ended.append(name)
        return name


@pytest.mark.parametrize("seed", range(50))
def test_the_shortest_are_kept_in_the_order_of_the_requests_and_nothing_goes_on(seed):
    source, log = random.Random(seed), Log()
    ticks = [source.randint(1, 30) for _ in range(source.randint(1, 12))]
    count = source.randint(1, len(ticks))

    async def run() -> list[int]:
        kept = await earliest([log.request(i, t) for i, t in enumerate(ticks)], count)
        assert len(asyncio.all_tasks()) == 1
        return kept

    kept = asyncio.run(run())
    assert len(kept) == count and kept == sorted(kept)
    assert max(ticks[i] for i in kept) <= min([ticks[i] for i in range(len(ticks)) if i not in kept], default=30)
    assert sorted({*log.ended, *log.cancelled}) == list(range(len(ticks)))


def test_a_request_that_fails_ends_the_others():
    log = Log()

    async def run() -> None:
        await earliest([log.request(0, 1, fails=True), log.request(1, 100)], 2)

    with pytest.raises(ValueError, match="request 0"):
        asyncio.run(run())
    assert log.cancelled == [1]
