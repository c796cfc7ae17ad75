"""`red golden FILE`: worked losses, gradients and schedules against this code."""

import argparse
from pathlib import Path

HELP = "check a file of worked numbers; exit status 1 on any mismatch or unknown kind"


def arguments(parser: argparse.ArgumentParser) -> None:
    """FILE of schema red-golden/1."""
    parser.add_argument("file", type=Path)


def run(options: argparse.Namespace) -> int:
    """Print passed and failed per kind."""
    from red.escape import terminal
    from red.golden.check import check, summary
    from red.plumbing.storage import read_object

    results = check(read_object(options.file), str(options.file))
    print("\n".join(map(terminal, summary(results).splitlines())))
    return 1 if any(result.problem for result in results) or not results else 0
