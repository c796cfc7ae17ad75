"""How a fault is named, and how a command is tried on it."""

import io
from collections.abc import Iterable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Literal

import pytest

from red.plumbing.provenance import ROOT

Program = Literal["red", "analysis"]


def named(name: str) -> pytest.MarkDecorator:
    """A test that is one case of this name."""
    return pytest.mark.parametrize([], [pytest.param(id=name)])


def table(arguments: str, prefix: str, rows: Iterable[Sequence]) -> pytest.MarkDecorator:
    """One case per row: its name, which the prefix completes, then the arguments of the test."""
    return pytest.mark.parametrize(arguments, [pytest.param(*values, id=prefix + name) for name, *values in rows])


def execute(arguments: Sequence[object], program: Program = "red") -> tuple[int, str]:
    """Exit status and stderr of `python -m <program> <arguments>`, in this process, from the root of the checkout."""
    errors = io.StringIO()
    main = import_module(f"{program}.__main__").main
    with chdir(ROOT), redirect_stderr(errors), redirect_stdout(io.StringIO()):
        status = main(tuple(map(str, arguments)))
    return status, errors.getvalue()


def succeed(arguments: Sequence[object], program: Program = "red") -> None:
    """The command must end well."""
    status, errors = execute(arguments, program)
    assert status == 0, f"exit status {status}: {errors}"


def refusal(arguments: Sequence[object], program: Program = "red") -> str:
    """The one line with which the command must refuse."""
    status, errors = execute(arguments, program)
    lines = [line for line in errors.splitlines() if line.strip()]
    assert status == 2, f"exit status {status} where a refusal was expected: {errors}"
    assert len(lines) == 1, f"{len(lines)} lines: {errors}"
    return lines[0]
