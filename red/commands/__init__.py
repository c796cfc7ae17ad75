"""The commands of `python -m red`. A module here defines HELP, arguments(parser) and run(options)."""

import argparse
from pathlib import Path
from typing import Any

DEFAULT = Path("config/default.yaml")


def add_overlays(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """The argument `--configfile`, as Snakemake has it."""
    text = f"{purpose}overlays on {DEFAULT}"
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], metavar="FILE", help=text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The argument `--json`, the same for every command that has it."""
    parser.add_argument("--json", action="store_true", help="for programs, on standard output, in place of the text")


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
