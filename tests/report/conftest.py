"""The report and its provenance, of invented results, and a browser to read them with."""

from pathlib import Path

import pytest

from tests.fixtures import synthetic
from tests.fixtures.report import make
from tests.report.browser import browser


@pytest.fixture(scope="session")
def provenance(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `make provenance` writes, with all items of config/default.yaml; the report lies beside it."""
    folder = tmp_path_factory.mktemp("report")
    collected = synthetic.write(folder / "collected", seeds=(0, 1, 2), steps=200, fraction=0.2)
    return make(repository, folder, collected, seeds=[0, 1, 2], only=["red", "luffy"])


@pytest.fixture
def page(tmp_path: Path):
    """A browser on an empty page."""
    with browser(tmp_path / "profile") as found:
        found.get("about:blank")
        found.get_log("performance")
        yield found
