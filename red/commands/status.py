"""`red status`: how far every run is, its last metrics, and why something failed."""

import argparse
import sys
from pathlib import Path

HELP = "show how far every run is, its last metrics, and why something failed"
COLORS = {"done": "green", "begun": "cyan", "failed": "bold red", "waiting": "dim"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same overlay as Snakemake's `--configfile`."""
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], metavar="FILE",
                        help="overlays on config/default.yaml")
    parser.add_argument("--unfinished", action="store_true", help="leave out what is done and evaluated")


def run(options: argparse.Namespace) -> int:
    """A table, the reasons of failures below it, and one line of totals."""
    import time

    from rich.console import Console
    from rich.table import Table

    from red import config, plan
    from red.status import SHOWN, progress

    document = config.load(Path("config/default.yaml"), *options.configfile)
    rows = progress(document)
    metrics = [name for name in SHOWN if any(name in row.metrics for row in rows)]
    table = Table(title=f"{plan.results(document)}, scale {document['scale']}", title_justify="left")
    for name in ("run", "seed", "training", "step", "evaluated", *metrics):
        table.add_column(name, justify="left" if name in ("run", "training") else "right", no_wrap=True)
    for row in rows:
        if options.unfinished and row.is_whole:
            continue
        since = f" {_ago(time.time() - row.changed)} ago" if row.changed else ""
        table.add_row(
            row.run, str(row.seed), f"[{COLORS[row.training]}]{row.training}[/]{since}",
            f"{row.step}/{row.steps}" if row.steps else "-", f"{row.evaluated}/{row.benchmarks}",
            *(f"{row.metrics[name]:.3g}" if name in row.metrics else "" for name in metrics),
        )  # fmt: skip
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(table)
    for row in rows:
        for reason in row.reasons:
            console.print(f"{row.run} seed {row.seed}: {reason}", markup=False, soft_wrap=True)
    done = sum(row.training == "done" for row in rows)
    evaluated = sum(row.is_whole for row in rows)
    failed = sum(bool(row.reasons) for row in rows)
    counts = f"{done} trained, {evaluated} evaluated, {failed} with a failure"
    console.print(f"{len(rows)} runs and seeds: {counts}")
    return 0


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
