"""The commands of `python -m red`. A module here defines HELP, arguments(parser) and run(options)."""

import argparse
import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from red import __version__
from red.plumbing.terminal import Parser, number
from red.ranges import Natural

DEFAULT = Path("config/default.yaml")


def names() -> list[str]:
    """Every command."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def parser(commands: Iterable[str]) -> Parser:
    """The program with some of its commands; only these are imported."""
    program = Parser(prog="red", description="Hybrid SFT+RL training of small language models.")
    program.add_argument("--version", action="version", version=f"red {__version__}")
    _add_volume(program, False)
    subparsers = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in commands:
        module = importlib.import_module(f"red.commands.{name}")
        command = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        _add_volume(command, argparse.SUPPRESS)
        module.arguments(command)
    return program


def _add_volume(parser: argparse.ArgumentParser, default: Any) -> None:
    """`-q` and `-v`, before the command or behind it."""
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", default=default, help="only results and errors")
    more = "progress every second, and where an error was raised"
    volume.add_argument("-v", "--verbose", action="store_true", default=default, help=more)


def add_overlays(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """The argument `--configfile`, as Snakemake has it."""
    text = f"{purpose}overlays on {DEFAULT}"
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], metavar="FILE", help=text)


def add_results(parser: argparse.ArgumentParser, default: str = "results/tiny") -> None:
    """The argument `--results`."""
    text = "of a study (default: %(default)s)"
    parser.add_argument("--results", type=Path, default=Path(default), metavar="DIR", help=text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The argument `--json`, the same for every command that has it."""
    parser.add_argument("--json", action="store_true", help="for programs, on standard output, in place of the text")


def add_gpus(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """The argument `--gpus`: what `red` claims for the command before it runs."""
    text = f"{purpose}so many GPUs of this machine, that no other command of yours has (0: whatever it sees)"
    parser.add_argument("--gpus", type=number(Natural), default=0, help=text)


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    """The default configuration with the overlays of `--configfile` over it, checked."""
    from analysis.listing import check_items
    from red.errors import ConfigError
    from red.study import config

    if not DEFAULT.is_file():
        raise ConfigError(f"{DEFAULT}: not here; go to a project, or make one: red init DIR")
    document = config.load(DEFAULT, *options.configfile)
    check_items(document)
    return document
