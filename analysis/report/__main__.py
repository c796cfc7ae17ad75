"""`python -m analysis.report`: the page of a study, from the files of its items and the collected tables."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from red.plumbing.terminal import Parser, ended


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report and print its path; a user's mistake is one line and exit status 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    return ended("analysis.report", lambda: _write(_options(argv)))


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser(prog="analysis.report", description=__doc__)
    parser.add_argument("--items", nargs="*", required=True, metavar="ITEM", help="in the order of the page")
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="holds tables/ and figures/")
    parser.add_argument("--collected", type=Path, required=True, metavar="DIR", help="collected tables")
    parser.add_argument("--reported", type=Path, required=True, metavar="FILE", help="the paper's numbers")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    return parser.parse_args(argv)


def _write(options: Namespace) -> int:
    from analysis.report.curves import of_tables, packed
    from analysis.report.made import made
    from analysis.report.page import page
    from red.plumbing.storage import write_atomic
    from red.tables.reader import load

    items = made(options.results, options.items)
    curves = packed(of_tables(load(options.collected, options.reported)))
    write_atomic(options.out, page(items, curves))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
