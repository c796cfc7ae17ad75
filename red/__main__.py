"""`python -m red COMMAND`: each command is one module of `red.commands`, found by its file name."""

import importlib
import sys
from collections.abc import Sequence

from red import commands
from red.errors import ConfigError
from red.gpus import claimed
from red.plumbing.records import suggestion
from red.plumbing.terminal import ended, heard
from red.project import make_importable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a mistake or a full disk ends with one line on stderr and exit status 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    names = commands.names()
    # Only the wanted command is imported, so that --help stays instant.
    first = next((word for word in argv if not word.startswith("-")), None)
    command = first if first in names else None
    return ended(f"red {command}" if command else "red", lambda: _run(argv, names, first))


def _run(argv: Sequence[str], names: Sequence[str], first: str | None) -> int:
    if first is not None and first not in names:
        raise ConfigError(f"no command {first!r}{suggestion(first, names)}")
    make_importable()
    options = commands.parser(names if first is None else [first]).parse_args(argv)
    with heard(options.quiet, options.verbose), claimed(getattr(options, "gpus", 0)):
        status: int = importlib.import_module(f"red.commands.{options.command}").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
