"""The commands of `python -m red`. A module here defines HELP, arguments(parser) and run(options)."""

import argparse
from pathlib import Path
from typing import Any

DEFAULT = Path("config/default.yaml")


def add_overlays(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """The argument `--configfile`, as Snakemake has it."""
    text = f"{purpose}overlays on {DEFAULT}"
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], metavar="FILE", help=text)


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    """The default configuration with the overlays of `--configfile` over it, checked."""
    from analysis.listing import check_items
    from red.study import config

    document = config.load(DEFAULT, *options.configfile)
    check_items(document)
    return document
