"""What made a result: spec, code, environment, inputs."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from red.plumbing.checksums import input_hash
from red.plumbing.storage import dump_json, write_json

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "torch",
    "numpy",
    "transformers",
    "snakemake",
    "vllm",
    "openrlhf",
    "deepspeed",
    "ray",
    "math-verify",
    "lm-eval",
)


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Short hash of a resolved spec."""
    return hashlib.sha256(dump_json(spec).encode()).hexdigest()[:16]


def environment() -> dict[str, Any]:
    """Versions, host kind and commit. No variables: they may hold secrets."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "packages": versions,
        **commit(),
    }


@cache
def commit() -> Mapping[str, Any]:
    """Git commit of the checkout and whether it has uncommitted changes; empty outside of one."""
    try:
        head = _git("rev-parse", "HEAD")
        return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Start:
    """When a stage began: seconds since the epoch, and on a clock that never jumps."""

    date: float = field(default_factory=time.time)
    counter: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long ago."""
        return time.monotonic() - self.counter


def hashes(inputs: Iterable[Path]) -> dict[str, str]:
    """Of what a stage reads, by name. Taken before it reads: whoever changes a file meanwhile changes no result."""
    return {path.name: input_hash(path) for path in inputs}


def write_provenance(
    path: Path, spec: Mapping[str, Any], code: str, inputs: Mapping[str, str], started: Start, **facts: Any
) -> None:
    """`provenance.json` of one stage; `inputs` are hashes."""
    write_json(
        path,
        {
            "spec": spec,
            "spec_hash": spec_hash(spec),
            "code": code,
            "environment": environment(),
            "inputs": inputs,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started.date)),
            "seconds": round(started.seconds, 3),
            **facts,
        },
    )
