import os
import signal
import subprocess
import sys

import pytest

from red.errors import ConfigError, RedError
from red.grading import verdict
from red.grading.algebra import pool as pool_module
from red.grading.algebra import worker
from red.grading.algebra.pool import Job, Pool
from red.grading.verdict import Undecided
from red.plumbing.provenance import ROOT

EASY = Undecided("a+b", "b+a")
# Exponential for the parser of math-verify; a grader would refuse it before.
SLOW = Undecided("5", "x_{" * 28 + "1" + "}" * 28)


def settled(pool: Pool, question: Undecided) -> str:
    job = pool.submit(question)
    while job.reason is None:
        pool.advance()
    return job.reason


@pytest.fixture
def one_worker():
    with Pool(size=1) as pool:
        yield pool


def test_nothing_starts_before_the_first_question(one_worker):
    one_worker.advance()
    assert one_worker._workers == []


def next_worker(pool: Pool, job: Job, seen: set[int]) -> int:
    """Process of the worker that has the job now, once it is another one than those `seen`."""
    while True:
        for one in pool._workers:
            if one.job is job and one.process.pid not in seen:
                seen.add(one.process.pid)
                return one.process.pid
        pool.advance()


def test_a_worker_that_uses_up_its_processor_time_is_killed_and_replaced(one_worker, monkeypatch):
    assert settled(one_worker, EASY) == verdict.RIGHT
    monkeypatch.setattr(pool_module, "LOOK", 0.5)
    monkeypatch.setattr(pool_module, "SECONDS", 0.2)
    monkeypatch.setattr(worker, "SECONDS", 0.2)
    job = one_worker.submit(SLOW)
    while job.reason is None:
        one_worker.advance()
    assert job.reason == verdict.TIMEOUT and len(job.lost) == 1
    monkeypatch.undo()
    assert settled(one_worker, EASY) == verdict.RIGHT


def test_a_worker_that_is_suspended_goes_on_where_it_was(one_worker, monkeypatch):
    assert settled(one_worker, EASY) == verdict.RIGHT
    monkeypatch.setattr(pool_module, "LOOK", 0.2)
    process = one_worker._workers[0].process
    os.kill(process.pid, signal.SIGSTOP)
    job = one_worker.submit(Undecided("c+d", "d+c"))
    while one_worker._workers[0].watch.still < 3:
        one_worker.advance()
    os.kill(process.pid, signal.SIGCONT)
    while job.reason is None:
        one_worker.advance()
    assert job.reason == verdict.RIGHT and job.lost == []


def test_a_worker_that_stays_suspended_is_replaced(one_worker, monkeypatch):
    assert settled(one_worker, EASY) == verdict.RIGHT
    monkeypatch.setattr(pool_module, "LOOK", 0.1)
    os.kill(one_worker._workers[0].process.pid, signal.SIGSTOP)
    job = one_worker.submit(Undecided("c+d", "d+c"))
    while job.reason is None:
        one_worker.advance()
    assert job.reason == verdict.RIGHT
    assert job.lost == ["suspended, or without any processor time"]


def test_an_answer_outlives_a_worker_that_is_killed(one_worker):
    assert settled(one_worker, EASY) == verdict.RIGHT
    os.kill(one_worker._workers[0].process.pid, signal.SIGSTOP)
    job = one_worker.submit(Undecided("c+d", "d+c"))
    os.kill(next_worker(one_worker, job, set()), signal.SIGKILL)
    while job.reason is None:
        one_worker.advance()
    assert job.reason == verdict.RIGHT and job.lost == ["killed by SIGKILL"]


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGKILL, verdict.NOT_GRADED), (signal.SIGSEGV, verdict.CRASH)])
def test_an_answer_that_every_worker_is_lost_over(one_worker, number, reason):
    """Killed from outside: nothing is known. A fault of its own, each time: the answer provokes it."""
    job, seen = one_worker.submit(SLOW), set()
    for _ in range(pool_module.TRIES):
        os.kill(next_worker(one_worker, job, seen), number)
    while job.reason is None:
        one_worker.advance()
    assert job.reason == reason and job.lost == [f"killed by {number.name}"] * pool_module.TRIES
    assert settled(one_worker, EASY) == verdict.RIGHT


def test_a_worker_that_died_idle_costs_no_question(one_worker):
    assert settled(one_worker, EASY) == verdict.RIGHT
    one_worker._workers[0].process.kill()
    one_worker._workers[0].process.wait()
    assert settled(one_worker, Undecided("c+d", "d+c")) == verdict.RIGHT


def test_workers_are_replaced_after_their_lifetime(one_worker, monkeypatch):
    monkeypatch.setattr(pool_module, "LIFETIME", 2)
    processes = set()
    for n in range(4):
        assert settled(one_worker, Undecided(f"x+{n}", f"{n}+x")) == verdict.RIGHT
        processes |= {w.process.pid for w in one_worker._workers}
    assert len(processes) == 2


def test_closing_ends_the_processes_and_settles_what_was_open():
    pool = Pool(size=1)
    job = pool.submit(EASY)
    pool.advance(timeout=0)
    process = pool._workers[0].process
    pool.close()
    assert process.returncode is not None
    assert job.reason == verdict.NOT_GRADED


def test_a_pool_without_workers_is_refused():
    with pytest.raises(ConfigError, match="workers: must be at least 1, found 0"):
        Pool(size=0)


def test_workers_that_end_before_they_are_ready_are_one_clear_error(monkeypatch, tmp_path):
    (tmp_path / "math_verify.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Pool(size=1) as pool, pytest.raises(RedError, match=r"3 workers in a row .* \(killed by SIGKILL\)"):
        settled(pool, EASY)


def test_a_worker_that_cannot_start_is_one_clear_error(monkeypatch, tmp_path):
    (tmp_path / "math_verify.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Pool(size=1) as pool, pytest.raises(RedError, match="broken on purpose; is math-verify installed"):
        settled(pool, EASY)


def test_the_timer_of_a_worker_counts_processor_time(monkeypatch):
    monkeypatch.setattr(worker, "SECONDS", 0.2)
    monkeypatch.setattr(worker.confinement, "limit", lambda kind, value: None)
    previous = signal.signal(signal.SIGPROF, worker._overtime)

    def endless(gold: str, answer: str) -> str:
        while True:
            pass

    try:
        assert worker.timed(endless, "", "") == verdict.TIMEOUT
    finally:
        signal.signal(signal.SIGPROF, previous)


@pytest.mark.parametrize(
    "action",
    [
        "open('made', 'w')",
        "os.system('true')",
        "socket.socket().connect(('127.0.0.1', 9))",
        "os.remove('x')",
        "subprocess.Popen(['true'])",
        "os.open('made', os.O_CREAT)",
    ],
)
def test_a_confined_worker_has_no_side_effects(action, tmp_path):
    program = (
        "import os, socket, subprocess; from red.grading.algebra.worker import confine; confine()\n"
        f"try:\n    {action}\nexcept PermissionError:\n    raise SystemExit(7)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == 7
    assert not list(tmp_path.iterdir())


def test_memory_of_a_confined_worker_is_limited():
    program = (
        "from red.grading.algebra.worker import confine; confine()\n"
        "try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    raise SystemExit(7)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 7


@pytest.mark.parametrize(("megabytes", "reply"), [(3072, worker.EXHAUSTED), (2048, worker.DEPRIVED)])
def test_memory_that_the_machine_lacks_is_told_from_memory_that_an_answer_takes(megabytes, reply):
    program = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20, {megabytes} << 20))\n"
        "from red.grading.algebra import worker\n"
        "worker.confine()\n"
        "print(worker.timed(lambda gold, answer: str(bytearray(4 << 30)), '', ''), end='')"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == reply
