"""Short runs of the local engine on the small world."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from red.config import RunSpec, Training
from red.engines.base import RunFiles

SMALL = {
    "engine": "local",
    "steps": 6,
    "prompts_per_step": 4,
    "group_size": 4,
    "max_new_tokens": 40,
    "lr": 2e-3,
    "cosine_every": 2,
    "entropy_every": 2,
}


@pytest.fixture
def run_spec() -> Callable[..., RunSpec]:
    """A small run; keyword arguments change the training, `overrides` the method."""

    def make(method: str, overrides: dict[str, Any] | None = None, **training: Any) -> RunSpec:
        return RunSpec(
            run="test",
            seed=3,
            scale="tiny",
            method=method,
            template="plain",
            training=Training(**{**SMALL, **training}),
            snapshots=(2,),
            overrides=overrides or {},
        )

    return make


@pytest.fixture
def run_files(tiny_world: Path, tmp_path: Path) -> Callable[[str], RunFiles]:
    """Files of a run folder with that name."""

    def make(name: str) -> RunFiles:
        return RunFiles(
            tiny_world / "models" / "base",
            tiny_world / "prompts.jsonl",
            tiny_world / "demonstrations" / "clean.jsonl",
            tmp_path / name,
        )

    return make
