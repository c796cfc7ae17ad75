"""`red rotation`: how far a training turned the singular vectors of a model's projections."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from red.probes.row import Row

HELP = "measure how far singular vectors turned and values changed since the start of a training"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `probe_rotation` passes."""
    parser.add_argument("--spec", required=True, help="step and seed, JSON")
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--start", required=True, type=Path, help="the model that its training started from")
    parser.add_argument("--out", required=True, type=Path, help="parquet file")


def run(options: argparse.Namespace) -> int:
    """Measure, write one parquet file, atomically, and print its means."""
    from red.escape import terminal
    from red.models.folder import check_files
    from red.plumbing.checksums import folder_hash, refuse_foreign, refuse_inside
    from red.plumbing.records import from_mapping
    from red.plumbing.storage import argument
    from red.probes.rotation import Rotation, measure
    from red.probes.row import write
    from red.probes.summary import summary

    spec = from_mapping(Rotation, argument(options.spec), "spec")
    refuse_inside(options.out, (options.checkpoint, options.start))
    refuse_foreign(options.out)
    for folder in (options.checkpoint, options.start):
        check_files(folder)
        folder_hash(folder)  # what is read is what was saved
    write(_announced(measure(spec, options.checkpoint, options.start)), options.out)
    for text, value in summary(options.out):
        print(f"{value:10.4g}  {terminal(text)}")
    return 0


def _announced(rows: "Iterable[Row]") -> "Iterator[Row]":
    """Say which matrix is done: of a large model each takes minutes."""
    last = ""
    for row in rows:
        if row.example != last:
            last = row.example
            print(last, file=sys.stderr, flush=True)
        yield row
