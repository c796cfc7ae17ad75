"""A checkout of its own on a file system that the node sees, for a real Slurm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("workflow", "red", "analysis", "config", "slurm")


@pytest.fixture(scope="session", autouse=True)
def no_controller() -> None:
    """Here the machine's own programs are wanted, not the stand-ins of the other tests."""


@pytest.fixture(scope="session")
def controller() -> None:
    """Skips where no Slurm controller answers."""
    if shutil.which("sinfo") is None:
        pytest.skip("no Slurm client tools; `.ci/slurm.sh start` installs them")
    done = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=30)
    if done.returncode != 0 or not done.stdout.strip():
        pytest.skip(f"no Slurm controller answers: {done.stderr.strip() or 'no partition'}")


@pytest.fixture
def checkout(controller, repository: Path, tmp_path: Path) -> Path:
    """The parts of the checkout that the workflow needs, with the minimal configuration."""
    root = tmp_path / "checkout"
    for folder in FOLDERS:
        shutil.copytree(repository / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "tests/workflow/minimal.yaml", root)
    return root


@pytest.fixture
def environment() -> dict[str, str]:
    """Jobs find the same Python; each uses one thread."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
