"""What a training and a generation say while they run, in a log and with `-v`."""

import re

import pytest

from red.plumbing import progress
from red.plumbing.progress import GenerationProgress, StepProgress
from red.plumbing.terminal import heard, span


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def train(clock: Clock, seconds: float) -> None:
    with StepProgress("red seed 0", 100) as steps:
        for step in range(20, 60):
            clock.now += seconds
            steps.report(step, {"loss/total": 0.25, "red/w": 2.0})


def test_a_training_says_rate_time_left_and_memory(clock, capsys):
    """40 steps of 4 s each: one line in 15 s, so every fourth step; the steps before were another process's."""
    train(clock, seconds=4)
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "red seed 0: continues after step 20/100"
    assert len(lines) == 10
    assert re.fullmatch(r"red seed 0: step 24/100, 0.25 steps/s, 5 min left, \d+ MiB; loss 0.25 w 2", lines[0])
    assert "step 60/100, 0.25 steps/s, 3 min left" in lines[-1]


def test_a_generation_says_rate_time_left_and_memory(clock, capsys):
    with GenerationProgress("base", total=10, done=4) as answers:
        for _ in range(6):
            clock.now += 10
            answers.advance(tokens=50)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"base: 6/10 answers, 5 tokens/s, 40 s left, \d+ MiB", lines[0])
    assert [re.search(r"\d+/", line)[0] for line in lines] == ["6/", "8/", "10/"]


def test_with_v_a_line_comes_every_second(clock, capsys):
    for verbose, lines in ((False, 10), (True, 40), (False, 10)):
        with heard(quiet=False, verbose=verbose):
            train(clock, seconds=4)
        assert len(capsys.readouterr().err.splitlines()) - 1 == lines


def test_with_q_nothing_comes(clock, capsys):
    with heard(quiet=True, verbose=False):
        train(clock, seconds=4)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (5400, "2 h"), (7200, "2 h"), (172800, "2 d")]
)
def test_a_duration_has_the_unit_that_fits(seconds, text):
    assert span(seconds) == text
