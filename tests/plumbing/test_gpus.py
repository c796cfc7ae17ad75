"""GPUs that local jobs share: each is somebody's alone, and free again however its owner ends."""

import os
import signal
import subprocess
import sys

import pytest

from red.errors import ConfigError
from red.gpus import VISIBLE, claimed

ALL = "0,1,2,MIG-GPU-a/1/0"
HOLD = """
import os, time
from red.gpus import VISIBLE, claimed
with claimed({count}):
    print(os.environ[VISIBLE], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def four(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv(VISIBLE, ALL)


def holder(count):
    """A process that has claimed GPUs and sleeps; and which."""
    code, environment = HOLD.format(count=count), {**os.environ, VISIBLE: ALL}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    return process, process.stdout.readline().strip()


def test_two_claims_share_nothing():
    with claimed(1):
        assert os.environ[VISIBLE] == "0"
        other, names = holder(2)
        try:
            assert names == "1,2"
        finally:
            other.kill()
            other.wait()
    assert os.environ[VISIBLE] == ALL


def test_a_claim_waits_and_a_killed_owner_frees(capsys, monkeypatch):
    other, names = holder(3)
    assert names == "0,1,2"
    # The owner is killed as soon as somebody waits.
    monkeypatch.setattr("time.sleep", lambda _: (other.send_signal(signal.SIGKILL), other.wait()))
    with claimed(2):
        assert os.environ[VISIBLE] == "0,1"
    assert "waiting for 2 of 4 GPUs" in capsys.readouterr().err


def test_what_cannot_be_had(monkeypatch):
    with pytest.raises(ConfigError, match="--gpus 5: this machine shows 4"), claimed(5):
        pass


def test_jobs_of_slurm_have_gpus_of_their_own_and_what_runs_inside_of_one_shares_them(monkeypatch):
    with claimed(3):
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        monkeypatch.setenv(VISIBLE, ALL)
        with claimed(1):
            other, names = holder(2)
            other.kill()
            other.wait()
            assert (os.environ[VISIBLE], names) == ("0", "1,2")


def test_without_gpus_there_is_nothing_to_claim(monkeypatch, tmp_path):
    with claimed(0):
        assert os.environ[VISIBLE] == ALL
    monkeypatch.setattr("red.gpus.DRIVER", tmp_path / "none")
    for visible in ("", None):
        monkeypatch.setenv(VISIBLE, "") if visible == "" else monkeypatch.delenv(VISIBLE)
        with claimed(1):
            assert os.environ.get(VISIBLE) == visible
    assert not list(tmp_path.iterdir())
