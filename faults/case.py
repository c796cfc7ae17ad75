"""One fault as data, and how its outcome is judged."""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from faults.world import World
from red.plumbing.provenance import ROOT


class Untestable(Exception):
    """This machine cannot make the fault; the message says what is missing."""


@dataclass(frozen=True)
class Command:
    """`python -m <program> <arguments>` in this process, from the root of the checkout."""

    program: Literal["red", "analysis"]
    arguments: tuple[str, ...]

    @classmethod
    def red(cls, *arguments: object) -> "Command":
        """A `red` command."""
        return cls("red", tuple(map(str, arguments)))

    @classmethod
    def analysis(cls, *arguments: object) -> "Command":
        """An `analysis` command."""
        return cls("analysis", tuple(map(str, arguments)))

    def run(self) -> tuple[int, str]:
        """Exit status, and what was printed on stderr."""
        errors = io.StringIO()
        main = import_module(f"{self.program}.__main__").main
        with chdir(ROOT), redirect_stderr(errors), redirect_stdout(io.StringIO()):
            status = main(self.arguments)
        return status, errors.getvalue()


# A callable checks for itself: it raises AssertionError, and may return a remark.
Attempt = Command | Callable[[], str | None]


@dataclass(frozen=True)
class Case:
    """`build(folder, world)` makes the fault and returns what to try.

    expected  pattern of the one line that must come out; None: the attempt must succeed
    quick     also run by the test suite
    faults    how many faults it makes
    """

    name: str
    kind: str
    build: Callable[[Path, World], Attempt]
    expected: str | None = None
    quick: bool = True
    faults: int = 1


@dataclass(frozen=True)
class Outcome:
    """`survived`: handled as expected; `untestable`: not tried; else lost."""

    name: str
    kind: str
    result: Literal["survived", "lost", "untestable"]
    remark: str = ""
    faults: int = 1


def outcome(case: Case, folder: Path, world: World) -> Outcome:
    """Try one case in its own empty folder."""
    try:
        remark = _tried(case, folder, world)
    except Untestable as reason:
        return Outcome(case.name, case.kind, "untestable", str(reason), case.faults)
    except (Exception, SystemExit) as error:  # whatever comes out is the finding
        return Outcome(case.name, case.kind, "lost", f"{type(error).__name__}: {error}"[:2000], case.faults)
    return Outcome(case.name, case.kind, "survived", remark, case.faults)


def _tried(case: Case, folder: Path, world: World) -> str:
    attempt = case.build(folder, world)
    if not isinstance(attempt, Command):
        return attempt() or ""
    status, printed = attempt.run()
    lines = [line for line in printed.splitlines() if line.strip()]
    if case.expected is None:
        assert status == 0, f"exit status {status}: {printed}"
        return ""
    assert status == 2, f"exit status {status} where a refusal was expected: {printed}"
    assert len(lines) == 1, f"{len(lines)} lines: {printed}"
    assert re.search(case.expected, lines[0]), f"said {lines[0]!r}, expected {case.expected!r}"
    return lines[0].replace(str(folder), "…")


def names(cases: Sequence[Case]) -> list[str]:
    """Their names, which must differ."""
    found = [case.name for case in cases]
    assert len(set(found)) == len(found), sorted(name for name in found if found.count(name) > 1)
    return found
