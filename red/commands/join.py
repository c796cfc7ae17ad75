"""`red join`: the collected tables of several studies as one."""

import argparse
import sys
from pathlib import Path

HELP = "join the collected tables of several studies into one"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Folders that `red collect` wrote, and where the joined one goes."""
    parser.add_argument("collected", type=Path, nargs="+", metavar="DIR", help="what red collect wrote for one study")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Write the tables; their runs are named RUN@STUDY."""
    from red.escape import terminal
    from red.tables.join import join

    names = join(options.collected, options.out)
    print(terminal(f"joined: {', '.join(names)}"), file=sys.stderr)
    return 0
