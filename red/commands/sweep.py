"""`red sweep`: the learning rate of each method by one rule, ready for a configuration."""

import argparse
from pathlib import Path

HELP = "print the learning rates that a sweep chose, as an overlay"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the sweep's results are."""
    results = Path("results/sweep")
    parser.add_argument("--results", type=Path, default=results, metavar="DIR", help="of a study (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """YAML on standard output; DataError where nothing was swept."""
    from red.errors import DataError
    from red.tables.reader import load
    from red.tables.sweep import choices, fragment

    folder = options.results / "collected"
    found = choices(load(folder)) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder}: no run of a sweep; `make sweep` makes them")
    print(fragment(found), end="")
    return 0
