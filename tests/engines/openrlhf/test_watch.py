"""A driver that hangs ends, with everything it started; one that goes on does not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

MINUTES = 0.02
# Starts a daemon of a session of its own, as Ray does, which starts a worker; then waits for ever.
HANGING = """
import subprocess, sys, time
from pathlib import Path
from red.engines.openrlhf.watch import watched
worker = "import time; time.sleep(600)"
start = f"print(subprocess.Popen([sys.executable, '-c', {worker!r}]).pid, flush=True)"
daemon = f"import subprocess, sys; {start}; {worker}"
with watched(Path(sys.argv[1]), float(sys.argv[2])):
    child = subprocess.Popen([sys.executable, "-c", daemon], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
"""
STEPPING = """
import sys, time
from pathlib import Path
from red.engines.openrlhf.watch import watched
metrics, minutes = Path(sys.argv[1]), float(sys.argv[2])
with watched(metrics, minutes):
    for step in range(6):
        time.sleep(60 * minutes / 2)
        with metrics.open("a") as stream:
            stream.write("{}\\n")
print("ended")
"""


def driver(code: str, metrics: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(metrics), str(MINUTES)]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_without_a_step_the_driver_and_all_it_started_end(tmp_path, repository):
    done = driver(HANGING, tmp_path / "metrics.jsonl", repository)
    assert done.returncode == os.EX_TEMPFAIL
    (line,) = done.stderr.splitlines()
    assert line == f"red train: no step within {MINUTES} minutes (cluster.stall_minutes): the engine hangs"
    started = list(map(int, done.stdout.split()))
    assert len(started) == 2
    deadline = time.monotonic() + 10
    while any(map(runs, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, started))


def runs(pid: int) -> bool:
    """A killed process that nobody has waited for is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_each_step_counts_anew(tmp_path, repository):
    done = driver(STEPPING, tmp_path / "metrics.jsonl", repository)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_time_that_is_none_is_refused_with_the_key(minutes):
    from red.errors import ConfigError
    from red.plumbing.records import from_mapping
    from red.training.spec import Cluster

    with pytest.raises(ConfigError, match="cluster.stall_minutes: must be above 0"):
        from_mapping(Cluster, {"stall_minutes": minutes}, "cluster")
