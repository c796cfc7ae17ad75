"""Who may import whom in `analysis`, read from the syntax of every module."""

from pathlib import Path

import pytest

from red.plumbing.sources import sources

FOLDERS = ("output", "measures", "parts", "items")  # each imports only those before it and itself
SPECS = {"analysis.items.methods": ("red.methods", "red.objective.spec")}  # the item that tells what the methods are
OF_RED = ("red.tables", "red.statistics", "red.text", "red.plumbing", "red.errors", "red.probes.row")


def modules(repository: Path, folder: str) -> list[str]:
    paths = (repository / "analysis" / folder).glob("*.py")
    return [f"analysis.{folder}.{path.stem}" for path in paths if path.stem != "__init__"]


def folder_of(source: str) -> str:
    return Path(source).parts[1] if len(Path(source).parts) > 2 else ""


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_those_before_it(repository, folder):
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    for module in modules(repository, folder):
        ours = [source for source in sources(module) if source.startswith("analysis/")]
        assert {folder_of(source) for source in ours} <= {*allowed, ""}, module


def test_items_never_import_each_other(repository):
    items = modules(repository, "items")
    assert len(items) >= 25
    for module in items:
        inside = [source for source in sources(module) if source.startswith("analysis/items/")]
        assert inside == ["analysis/items/__init__.py", f"{module.replace('.', '/')}.py"]


def test_nothing_that_trains_is_behind_an_item(repository):
    for module in modules(repository, "items"):
        of_red = [source[:-3].replace("/", ".") for source in sources(module) if source.startswith("red/")]
        named = [name for name in of_red if not name.endswith("__init__")]
        allowed = (*OF_RED, *SPECS.get(module, ()))
        assert [name for name in named if not name.startswith(allowed)] == [], module
