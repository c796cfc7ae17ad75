"""How a command meets its terminal: options, streams that may be closed or narrow, and one line where it fails."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from contextvars import ContextVar
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

from red.errors import ConfigError, DataError, RedError, one_line
from red.plumbing.records import closest

if TYPE_CHECKING:
    from rich.console import Console

# Of the command that runs; `heard` sets it, and takes it back.
_VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
# How torch says that memory is short, as RuntimeError.
SHORTAGE = re.compile("can't allocate memory|out of memory")


class Parser(argparse.ArgumentParser):
    """A wrong option is one line, like any other mistake."""

    def error(self, message: str) -> NoReturn:
        """Instead of the usage in several lines."""
        raise ConfigError(f"{message}; {self.prog} --help tells more")

    def parse_known_args(self, *arguments: Any, **named: Any) -> Any:
        """What is left over is answered here, by the command that it was given to, not by the program as a whole."""
        known, rest = super().parse_known_args(*arguments, **named)
        if rest:
            hint = closest(rest[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
        return known, rest


def console(**options: Any) -> "Console":
    """Rich without markup, names of emoji and coloured numbers: a label may hold any of them.

    What is printed goes through `red.escape.terminal` first.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **options)


def number(kind: Any) -> Callable[[str], int]:
    """For argparse: an integer in the range of `kind`, one of `red.ranges`."""
    (limits,) = kind.__metadata__

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no integer") from None
        if fault := limits.fault(value):
            raise argparse.ArgumentTypeError(fault)
        return value

    return parse


def ended(program: str, run: Callable[[], int]) -> int:
    """The exit status of a command. A mistake, a full disk or too little memory ends with one line on stderr and status
    2, ctrl-C with 130."""
    _open_streams()
    try:
        _check_folder()
        status = run()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        status = 141
    except (RedError, OSError) as error:
        print(f"{program}: {one_line(error)}", file=sys.stderr)
        status = 2
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not SHORTAGE.search(str(error)):
            raise
        print(f"{program}: not enough memory: ask for less at once; {one_line(error)[:200]}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        status = 130
    try:
        sys.stdout.flush()
    except OSError:  # Python would try, and complain, once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _check_folder() -> None:
    """Libraries fail in their own ways, or end the process, where the current folder was deleted."""
    try:
        os.getcwd()
    except OSError:
        raise DataError("the current folder is gone; change into another one") from None


@contextmanager
def heard(quiet: bool, verbose: bool) -> Iterator[None]:
    """How much a command says on stderr: with `quiet` only the line of `ended`, with `verbose` progress every second
    and where an error was raised."""
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(redirect_stderr(stack.enter_context(open(os.devnull, "w", encoding="utf-8"))))
        stack.callback(_VERBOSE.reset, _VERBOSE.set(verbose))
        try:
            yield
        except Exception:
            if verbose:
                traceback.print_exc()
            raise


def between_lines() -> float:
    """Seconds between two lines of progress, where they are no terminal's."""
    return 1.0 if _VERBOSE.get() else 15.0


def span(seconds: float) -> str:
    """A duration for people: 40 s, 5 min, 3 h, 2 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _open_streams() -> None:
    """Streams that are closed lead nowhere, and the output takes every character.

    A file that is opened takes the lowest free number: while 1 is free, it would become the standard output.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if descriptor else "r", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
