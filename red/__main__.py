"""`python -m red COMMAND`: each command is one module of `red.commands`, found by its file name."""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

from red import __version__, commands
from red.errors import ConfigError
from red.plumbing.records import suggestion
from red.plumbing.terminal import Parser, ended
from red.study.project import make_importable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a mistake or a full disk ends with one line on stderr and exit status 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    # Only the wanted command is imported, so that --help stays instant.
    command = argv[0] if argv and argv[0] in names else None
    return ended(f"red {command}" if command else "red", lambda: _run(argv, names, command))


def _run(argv: Sequence[str], names: Sequence[str], command: str | None) -> int:
    parser = Parser(prog="red", description="Hybrid SFT+RL training of small language models.")
    parser.add_argument("--version", action="version", version=f"red {__version__}")
    if command is None and argv and not argv[0].startswith("-"):
        raise ConfigError(f"no command {argv[0]!r}{suggestion(argv[0], names)}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    make_importable()
    for name in names:
        if command is None or name == command:
            module = importlib.import_module(f"red.commands.{name}")
            module.arguments(subparsers.add_parser(name, help=module.HELP, description=module.HELP))
    options = parser.parse_args(argv)
    status: int = importlib.import_module(f"red.commands.{options.command}").run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
