"""A report of invented results, and a browser to read it with."""

from pathlib import Path

import pytest

from tests.fixtures import synthetic
from tests.fixtures.report import make
from tests.report.browser import browser


@pytest.fixture(scope="session")
def report(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `make report` writes, with all items of config/default.yaml."""
    folder = tmp_path_factory.mktemp("report")
    collected = synthetic.write(folder / "collected", steps=40, fraction=0.2)
    return make(repository, folder, collected, seeds=[0], only=["red", "luffy"])


@pytest.fixture
def page(tmp_path: Path):
    """A browser on an empty page."""
    with browser(tmp_path / "profile") as found:
        found.get("about:blank")
        found.get_log("performance")
        yield found
