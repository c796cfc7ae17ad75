"""`red sweep`: the learning rate of each method by one rule, ready for a configuration."""

import argparse

from red.commands import add_results

HELP = "print the learning rates that a sweep chose, as an overlay"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the sweep's results are."""
    add_results(parser, "results/sweep")


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
