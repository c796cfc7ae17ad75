"""`python -m analysis ITEM`: builds one table or figure of the paper from the collected tables."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.listing import builder, listing
from red.errors import RedError, one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Build one item and print the files written; a user's mistake is one line and exit status 2."""
    parser = argparse.ArgumentParser(prog="analysis", description=__doc__)
    parser.add_argument("item", metavar="ITEM", help=f"one of: {', '.join(listing())}")
    parser.add_argument("--collected", type=Path, required=True, metavar="DIR", help="collected tables")
    parser.add_argument("--reported", type=Path, required=True, metavar="FILE", help="the paper's numbers")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets tables/ or figures/")
    options = parser.parse_args(argv)
    try:
        build = builder(options.item)
        from analysis.output.write import write
        from red.tables.reader import load

        for path in write(build(load(options.collected, options.reported)), options.item, options.out):
            print(path)
        return 0
    except (RedError, OSError) as error:
        print(f"analysis {options.item}: {one_line(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
