"""What becomes of the processes that compare answers. A verdict is never about that."""

import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from red.errors import RedError
from red.grading.algebra import pool
from red.grading.algebra.pool import TRIES, Pool
from red.grading.reward import RewardJudge
from red.plumbing.storage import read_jsonl
from tests.faults.case import named, refusal, succeed, table

pytestmark = pytest.mark.faults("fate of a process")
FACTORS = "|x+1|" * 3
# Right, and half a second of algebra: a tenth of its limit, of which tracing for coverage takes much.
CASE = {"id": "a", "gold": f"|x|{FACTORS}|y|", "response": f"\\boxed{{|y|{FACTORS}|x|}}"}
Act = Callable[[int], object]


@contextmanager
def each_worker(act: Act, times: int) -> Iterator[list[int]]:
    """Do something to the processes that get a comparison, right after they got it; the first `times` of them."""
    send, met = Pool._send, []

    def sent(self: Pool, worker: pool._Worker, job: pool.Job) -> None:
        send(self, worker, job)
        if len(met) < times:
            met.append(worker.process.pid)
            act(worker.process.pid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "_send", sent)
        yield met


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def stop(process: int) -> None:
    os.kill(process, signal.SIGSTOP)


def go_on(process: int) -> None:
    with suppress(ProcessLookupError):  # it was replaced
        os.kill(process, signal.SIGCONT)


def stop_for(seconds: float) -> Act:
    def act(process: int) -> None:
        stop(process)
        threading.Timer(seconds, go_on, (process,)).start()

    return act


def starve(process: int) -> None:
    """A quarter of the time only."""

    def toggle() -> None:
        with suppress(ProcessLookupError):
            while True:
                stop(process)
                time.sleep(0.09)
                os.kill(process, signal.SIGCONT)
                time.sleep(0.03)

    threading.Thread(target=toggle, daemon=True).start()


def deprive(process: int) -> None:
    """No more memory than it has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize()
    resource.prlimit(process, resource.RLIMIT_AS, (limit, limit))


def grade(folder: Path) -> list[str]:
    """Arguments that grade CASE."""
    (folder / "cases.jsonl").write_text(json.dumps(CASE))
    return ["grade", "--cases", str(folder / "cases.jsonl"), "--workers", "1", "--out", str(folder / "out.jsonl")]


def signal_of_its_timer(process: int) -> None:
    threading.Timer(0.25, os.kill, (process, signal.SIGPROF)).start()


FATES = (
    ("killed", kill, 1),
    ("killed twice", kill, TRIES - 1),
    ("suspended for a second", stop_for(1.0), 1),
    ("suspended for good", stop, 1),
    ("starved", starve, 1),
    ("out of memory", deprive, 1),
    ("told by somebody that its time is over", signal_of_its_timer, 1),
)


@table("act, times", "worker ", [(f"{name}: the verdict is the same", act, times) for name, act, times in FATES])
def test_verdict(act: Act, times: int, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pool, "LOOK", 0.3)
    with each_worker(act, times) as met:
        succeed(grade(tmp_path))
    assert len(met) == times, "the fault did not happen"
    assert [row["reason"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["right"]


HOPELESS = (("killed", kill), ("suspended", stop), ("out of memory", deprive))


@table("act", "every worker ", [(f"{name}: not graded, and nothing written", act) for name, act in HOPELESS])
def test_no_verdict(act: Act, tmp_path: Path, monkeypatch, remark):
    monkeypatch.setattr(pool, "LOOK", 0.1)
    with each_worker(act, TRIES) as met:
        line = refusal(grade(tmp_path))
    assert len(met) == TRIES and "not graded" in line, line
    assert not (tmp_path / "out.jsonl").exists()
    remark(line)


@named("every worker killed: no reward is made up")
def test_no_reward():
    with each_worker(kill, TRIES) as met, RewardJudge() as judge, pytest.raises(RedError, match="not graded"):
        judge([(CASE["response"], CASE["gold"], False)])
    assert len(met) == TRIES


@pytest.mark.long
@named("worker suspended for 75 seconds: the verdict is the same")
def test_long_suspension(tmp_path: Path):
    with each_worker(stop_for(75.0), 1):
        succeed(grade(tmp_path))
    assert [row["reason"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["right"]
