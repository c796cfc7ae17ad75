"""A small invented study, collected once, and every item built from it at most once."""

from functools import cache
from pathlib import Path

import pytest

from analysis.item import builder
from analysis.tables import Tables, load
from tests.analysis import synthetic


@pytest.fixture(scope="session")
def reported(repository: Path) -> Path:
    return repository / "config" / "reported.csv"


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write(tmp_path_factory.mktemp("collected"), steps=40, fraction=0.2)


@pytest.fixture(scope="session")
def study(collected: Path, reported: Path) -> Tables:
    return load(collected, reported)


@pytest.fixture(scope="session")
def build(study: Tables):
    """build(name): the item made from the small study."""
    return cache(lambda name: builder(name)(study))
