"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from red.models.processor import use_common_instructions

# What is trained here is compared with what a process of its own trains.
use_common_instructions()

# A shared machine may stall any single example; how long one takes is no property of the code.
settings.register_profile("unhurried", deadline=None)
settings.register_profile("campaign", deadline=None)
settings.load_profile("unhurried")

pytest_plugins = [
    "tests.fixtures.checkpoints",
    "tests.fixtures.programs",
    "tests.fixtures.runs",
    "tests.fixtures.study",
]
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data that is not part of the project; tests skip where it is missing."""
    folder = Path(os.environ.get("RED_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data: set RED_SHARED (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/base (a few seconds of pretraining) and a teacher, which is the base with other norms; prompts.jsonl, and
    demonstrations: clean, and with wrong traces."""
    from red.__main__ import main
    from red.models import checkpoint

    root = tmp_path_factory.mktemp("world")
    prompts, model = root / "prompts.jsonl", root / "models" / "base"
    demonstrations = root / "demonstrations" / "clean.jsonl"
    assert main(["data", "model", "--spec", '{"size": "base", "steps": 150}', "--out", str(model)]) == 0
    teacher = checkpoint.load(model)
    teacher.model.model.norm.weight.data *= 1.2
    checkpoint.save(teacher, root / "models" / "teacher")
    assert main(["data", "prompts", "--spec", '{"count": 64}', "--out", str(prompts)]) == 0
    assert (
        main(["data", "demonstrations", "--spec", "{}", "--prompts", str(prompts), "--out", str(demonstrations)]) == 0
    )
    pairs = ["--prompts", str(prompts), "--demonstrations", str(demonstrations)]
    pairs += ["--out", str(demonstrations.with_name("wrong_traces.jsonl"))]
    assert main(["data", "corruption", "--spec", '{"corruption": "wrong_traces", "rate": 1.0}', *pairs]) == 0
    return root
