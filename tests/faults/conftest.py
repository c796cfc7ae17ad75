"""The campaign: each fault is a case of its own; with --record its outcome goes into results.json and README.md."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.case import Program, refusal, succeed
from tests.faults.memory import no_memory
from tests.faults.record import Outcome, save
from tests.faults.study import Study, make
from tests.faults.world import World

HERE = Path(__file__).parent
# A fixture is found where conftest has it.
__all__ = ["no_memory"]
NAMES = pytest.StashKey[set[str] | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make faults` asks for; the default suite tries the quick faults and writes nothing."""
    parser.addoption("--record", action="store_true", help="write the outcomes of faults into tests/faults")


@pytest.fixture(scope="session")
def world(tiny_world: Path) -> World:
    """The files that the cases spoil copies of."""
    import torch

    # Like the commands in processes of their own, which are compared bit for bit.
    torch.set_num_threads(1)
    return World(tiny_world)


@pytest.fixture(scope="session")
def study(world: World, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Made once; a case puts back what it changes."""
    return make(tmp_path_factory.mktemp("study"), world)


@pytest.fixture
def remark(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keeps a few words beside the outcome."""
    return lambda text: record_property("remark", text)


@pytest.fixture
def check(tmp_path: Path, remark: Callable[[str], None]) -> Callable[..., None]:
    """The command is refused in one line that the pattern is in; with None for a pattern it succeeds."""

    def check(pattern: str | None, arguments: Sequence[object], program: Program = "red") -> None:
        if pattern is None:
            return succeed(arguments, program)
        line = refusal(arguments, program)
        assert re.search(pattern, line), f"the line is {line!r}, expected {pattern!r}"
        remark(line.replace(str(tmp_path), "…").replace(str(tmp_path.parent), "…"))

    return check


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes, before -k and -m choose, which cases there are: those of no file are dropped from the results."""
    whole = {item.path for item in items} >= set(HERE.glob("test_*.py"))
    config.stash[NAMES] = {_name(item) for item in items if item.get_closest_marker("faults")} if whole else None
    # A worker takes a file at a time: one with many long cases would run on alone if it came last.
    long = Counter(item.path for item in items if item.get_closest_marker("long"))
    items.sort(key=lambda item: -long[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: Any, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Writes after each case, so that an interrupted campaign keeps what it has tried."""
    report = yield
    # The option is unknown where pytest was started on more than this folder.
    marker = item.get_closest_marker("faults") if item.config.getoption("--record", False) else None
    if marker and (report.when == "call" or not report.passed):
        save(HERE, [_outcome(item, marker, call, report)], item.config.stash[NAMES])
    return report


def _outcome(item: Any, marker: pytest.Mark, call: pytest.CallInfo[Any], report: pytest.TestReport) -> Outcome:
    name, kind, faults = _name(item), marker.args[0], marker.kwargs.get("count", 1)
    if call.excinfo is None:
        remark = dict(report.user_properties).get("remark", "")
        return Outcome(name, kind, "survived", str(remark), faults)
    if report.skipped:
        return Outcome(name, kind, "untestable", str(call.excinfo.value), faults)
    return Outcome(name, kind, "lost", f"{call.excinfo.typename}: {call.excinfo.value}"[:2000], faults)


def _name(item: Any) -> str:
    # pytest writes a backslash of an id twice.
    return str(item.callspec.id.replace("\\\\", "\\"))
