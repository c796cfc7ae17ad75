"""A copy of the checkout to run Snakemake in, with the real commands or with a quick stand-in."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.fixtures.programs import programs

FOLDERS = ("workflow", "red", "analysis", "config", "slurm")
MINIMAL = Path(__file__).parent / "minimal.yaml"
STUB = Path(__file__).parent / "stub.py"


@dataclass(frozen=True)
class Checkout:
    """A checkout in which files may be edited, and how to call Snakemake there."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it; standard error and output come back as text."""
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.root,
            text=True,
            capture_output=True,
            env={**os.environ, **self.environment, **environment},
            timeout=900,
        )

    def seconds(self, *arguments: str) -> float:
        """Processor time of a dry run; wall time would depend on what else runs on the machine."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.plan(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def plan(self, *arguments: str) -> list[str]:
        """Jobs of a dry run, as `rule wildcard values`, sorted."""
        done = self.snakemake("all", "-n", *arguments)
        assert done.returncode == 0, (done.stderr + done.stdout)[-2000:]
        return jobs(done.stdout + done.stderr)

    def calls(self) -> list[str]:
        """What the stand-in was asked for since the last question."""
        path = Path(self.environment["STUB_CALLS"])
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def overlay(self, name: str, **document: object) -> str:
        """Write a configuration and return its path."""
        (self.root / name).write_text(yaml.safe_dump(document, sort_keys=False))
        return name

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """A file of the copy with one change, put back afterwards."""
        file = self.root / path
        before = file.read_text()
        assert old in before, f"{path} lacks {old!r}"
        file.write_text(before.replace(old, new))
        try:
            yield
        finally:
            file.write_text(before)

    @contextmanager
    def added(self, path: str, text: str) -> Iterator[None]:
        """A new file, removed afterwards."""
        file = self.root / path
        file.write_text(text)
        try:
            yield
        finally:
            file.unlink()


def jobs(output: str) -> list[str]:
    """`train red 0` for each job that Snakemake prints."""
    found = []
    blocks = re.split(r"^(?:local)?rule (\w+):$", output, flags=re.MULTILINE)
    for name, body in zip(blocks[1::2], blocks[2::2], strict=True):
        match = re.search(r"^    wildcards: (.*)$", body.partition("\n\n")[0], flags=re.MULTILINE)
        values = [pair.partition("=")[2] for pair in match[1].split(", ")] if match else []
        found.append(" ".join([name, *values]))
    return sorted(found)


def copy(repository: Path, root: Path) -> Path:
    """The parts of a checkout that the workflow needs."""
    for folder in FOLDERS:
        shutil.copytree(repository / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(MINIMAL, root)
    return root


@pytest.fixture(scope="session")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """With the real commands, as the Python of this test runs them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    root = copy(repository, tmp_path_factory.mktemp("real") / "checkout")
    return Checkout(root, {"PATH": path, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="session")
def planned(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """For dry runs only: nothing is ever made in it."""
    return Checkout(copy(repository, tmp_path_factory.mktemp("planned") / "checkout"))


@pytest.fixture(scope="session")
def stubbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """With the stand-in as `python`: a whole DAG in seconds."""
    folder = tmp_path_factory.mktemp("stubbed")
    python = f'exec "{sys.executable}" -S "{STUB}" "$@"'
    path = programs(folder / "bin", python=python)
    calls = str(folder / "calls.txt")
    return Checkout(copy(repository, folder / "checkout"), {"PATH": path, "STUB_CALLS": calls})
