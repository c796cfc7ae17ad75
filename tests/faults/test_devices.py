"""GPUs of a machine, claimed under names that people write by hand."""

import os
import tempfile
from pathlib import Path

import pytest

from red import gpus
from red.errors import ConfigError
from tests.faults.case import named, table

pytestmark = pytest.mark.faults("commands")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch) -> Path:
    """Where claims are, of this case alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


@table(
    "visible, count, expected",
    "GPUs: ",
    [
        ("named with spaces: the same ones", " 0 , 1", 2, "0,1"),
        ("behind one that is none: not there", "0,-1,1", 1, "0"),
        ("none", "-1", 1, "-1"),
        ("an empty list", "", 1, ""),
    ],
)
def test_names(visible: str, count: int, expected: str, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, visible)
    with gpus.claimed(count):
        assert os.environ[gpus.VISIBLE] == expected
    assert os.environ[gpus.VISIBLE] == visible


@table(
    "visible",
    "GPUs: fewer than asked for, not waited for: ",
    [("one of them named twice", "0,0"), ("one of them behind one that is none", "0,-1,1"), ("spaces only", "0, ,1")],
)
def test_fewer(visible: str, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, visible)
    with pytest.raises(ConfigError, match="--gpus 2: this machine shows 1"), gpus.claimed(2):
        pass


@named("GPUs: the command takes the variable away")
def test_removed(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0")
    with gpus.claimed(1):
        del os.environ[gpus.VISIBLE]
    assert os.environ[gpus.VISIBLE] == "0"


@named("GPUs: a file where the claims belong")
def test_file(place: Path, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "0")
    (place / f"red-gpus-{os.getuid()}").write_text("mine")
    with pytest.raises(ConfigError, match="not a folder of yours; set TMPDIR"), gpus.claimed(1):
        pass
    assert (place / f"red-gpus-{os.getuid()}").read_text() == "mine"
