"""Several processes answer as one would."""

import multiprocessing
import os
from functools import partial
from pathlib import Path

import pytest

from red.errors import ConfigError, DataError, RedError
from red.sampling import open_backend
from red.sampling.base import Request, Sampling
from red.sampling.response import Response
from red.sampling.spread import Spread, devices

FORK = multiprocessing.get_context("fork")  # a start of Python for each process would cost seconds
REQUESTS = [Request((prompt,), 10 * prompt + sample) for prompt in range(2, 7) for sample in range(3)]
SAMPLING = Sampling(1.0, 8)


class Echo:
    """Answers with the seed, the device and the checkpoint; fails or ends where it is told to."""

    name = "echo"

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble

    def load(self, checkpoint: Path) -> None:
        self.checkpoint = int(checkpoint.name)
        if self.trouble == "load":
            raise DataError(f"{checkpoint}: broken")

    def generate(self, requests, sampling):
        for index, request in reversed(list(enumerate(requests))):
            if self.trouble == "die" and request.seed == 30:
                os._exit(3)
            yield index, Response([request.seed, int(os.environ["CUDA_VISIBLE_DEVICES"]), self.checkpoint], "stop")

    def close(self) -> None:
        """Nothing is left."""


@pytest.fixture
def spread():
    made = []

    def make(count: int, trouble: str = "") -> Spread:
        made.append(Spread(partial(Echo, trouble), [str(n) for n in range(count)], FORK))
        return made[-1]

    yield make
    for each in made:
        each.close()
        assert not any(process.is_alive() for process in each._processes)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_request_is_answered_once_and_a_prompt_stays_on_one_gpu(spread, count):
    backend = spread(count)
    for checkpoint in (4, 5):
        backend.load(Path(str(checkpoint)))
        found = dict(backend.generate(REQUESTS, SAMPLING))
        assert sorted(found) == list(range(len(REQUESTS)))
        for index, request in enumerate(REQUESTS):
            assert found[index].tokens == [request.seed, (index // 3) % count, checkpoint]


def test_an_error_of_one_process_is_the_callers(spread):
    with pytest.raises(DataError, match="^7: broken$"):
        spread(2, "load").load(Path("7"))


def test_a_process_that_ends_ends_the_command_in_one_line(spread):
    backend = spread(2, "die")
    backend.load(Path("7"))
    with pytest.raises(RedError, match="has ended"):
        list(backend.generate(REQUESTS, SAMPLING))


def test_gpus_are_those_that_the_job_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6")
    assert devices(2) == ["3", "5"]
    with pytest.raises(ConfigError, match="--gpus 4: CUDA_VISIBLE_DEVICES names 3"):
        devices(4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert devices(2) == ["0", "1"]


@pytest.mark.slow
def test_real_answers_are_those_of_one_process(make_checkpoint):
    checkpoint = make_checkpoint(0)
    one, two = open_backend("local"), Spread(partial(open_backend, "local"), ["0", "1"])
    found = []
    for backend in (one, two):
        backend.load(checkpoint)
        found.append(dict(backend.generate(REQUESTS, SAMPLING)))
        backend.close()
    assert found[0] == found[1]
