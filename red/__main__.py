"""`python -m red COMMAND`: each command is one module of `red.commands`, found by its file name."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from red import commands
from red.errors import RedError, one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a mistake or a full disk ends with one line on stderr and exit status 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    parser = argparse.ArgumentParser(prog="red", description="Hybrid SFT+RL training of small models.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # Only the wanted command is imported, so that --help stays instant.
    command = argv[0] if argv and argv[0] in names else None
    for name in names:
        if command is None or name == command:
            module = importlib.import_module(f"red.commands.{name}")
            module.arguments(subparsers.add_parser(name, help=module.HELP, description=module.HELP))
    options = parser.parse_args(argv)
    try:
        status: int = importlib.import_module(f"red.commands.{options.command}").run(options)
        return status
    except BrokenPipeError:
        return 141
    except (RedError, OSError) as error:
        print(f"red {options.command}: {one_line(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
