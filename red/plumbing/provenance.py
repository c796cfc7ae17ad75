"""What made a result: spec, code, environment, inputs. Also the fingerprint that reruns depend on."""

import ast
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


def fingerprint(*patterns: str, roots: Iterable[Path] = (ROOT,)) -> str:
    """Hash of sources; Python without comments, docstrings and layout: wording retrains nothing. Of a name that
    several of `roots` have, the first counts."""
    files: dict[str, Path] = {}
    for root in roots:
        for path in (path for pattern in patterns for path in root.glob(pattern) if path.is_file()):
            files.setdefault(path.relative_to(root).as_posix(), path)
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\n{_syntax(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _syntax(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


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


def write_provenance(
    path: Path, spec: Mapping[str, Any], code: str, inputs: Iterable[Path], started: Start, **facts: Any
) -> None:
    """`provenance.json` of one stage."""
    write_json(
        path,
        {
            "spec": spec,
            "spec_hash": spec_hash(spec),
            "code": code,
            "environment": environment(),
            "inputs": {p.name: input_hash(p) for p in inputs},
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started.date)),
            "seconds": round(started.seconds, 3),
            **facts,
        },
    )
