"""`red export`: the study as one JSON document."""

import argparse
from pathlib import Path

HELP = "write results.json, every measured number of a study, from the collected tables"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `export` passes."""
    parser.add_argument("--collected", type=Path, required=True, metavar="DIR", help="what red collect wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Write the document of docs/results-schema.md."""
    from red.plumbing.checksums import refuse_inputs
    from red.plumbing.storage import write_json
    from red.tables.export import export

    refuse_inputs(options.out, options.collected.glob("*"))
    write_json(options.out, export(options.collected))
    return 0
