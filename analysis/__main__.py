"""`python -m analysis ITEM`: builds one table or figure of the paper from the collected tables."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from analysis.listing import builder, listing
from red.escape import terminal
from red.plumbing.terminal import Parser, ended


def main(argv: Sequence[str] | None = None) -> int:
    """Build one item and print the files written; a user's mistake is one line and exit status 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    return ended(" ".join(["analysis", *argv[:1]]), lambda: _build(_options(argv)))


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser(prog="analysis", description=__doc__)
    parser.add_argument("item", metavar="ITEM", help=f"one of: {', '.join(listing())}")
    parser.add_argument("--collected", type=Path, required=True, metavar="DIR", help="collected tables")
    parser.add_argument("--reported", type=Path, required=True, metavar="FILE", help="the paper's numbers")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets tables/ or figures/")
    return parser.parse_args(argv)


def _build(options: Namespace) -> int:
    build = builder(options.item)
    from analysis.output.write import write
    from red.tables.reader import load

    for path in write(build(load(options.collected, options.reported)), options.item, options.out):
        print(terminal(str(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
