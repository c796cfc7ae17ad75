"""`red status`: how far every run is, its last metrics, and why something failed."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from red.commands import add_json, add_overlays, configuration

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from red.study.status import Progress

HELP = "show how far every run is, its last metrics, and why something failed"
COLORS = {"done": "green", "begun": "cyan", "failed": "bold red", "waiting": "dim"}
REFRESH_SECONDS = 3.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same overlay as Snakemake's `--configfile`."""
    add_overlays(parser)
    parser.add_argument("--unfinished", action="store_true", help="leave out what is done and evaluated")
    add_json(parser)
    parser.add_argument("--watch", action="store_true", help="what runs now, until all is done (ctrl-C ends it)")


def run(options: argparse.Namespace) -> int:
    """A table, the reasons of failures below it, and one line of totals; once, or again and again."""
    from rich.live import Live

    from red.plumbing.records import to_mapping
    from red.plumbing.storage import readable_json
    from red.plumbing.terminal import console
    from red.study.status import progress

    document = configuration(options)
    screen = console(width=None if sys.stdout.isatty() else 140)
    rows = progress(document)
    if options.json:
        print(readable_json([to_mapping(row) for row in rows if not (options.unfinished and row.is_whole)]), end="")
        return 0
    if not options.watch or not screen.is_terminal:
        screen.print(_table(document, rows, options, screen))
        for line in _lines(rows):
            screen.print(line, soft_wrap=True)
        return 0
    try:
        with Live(_screen(document, rows, options, screen), console=screen, auto_refresh=False) as live:
            while not all(row.is_whole for row in rows):
                time.sleep(REFRESH_SECONDS)
                rows = progress(document)
                live.update(_screen(document, rows, options, screen), refresh=True)
    except KeyboardInterrupt:
        pass
    return 0


def _screen(
    document: Mapping[str, Any], rows: Sequence["Progress"], options: argparse.Namespace, screen: "Console"
) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    bar = ProgressBar(total=len(rows), completed=sum(row.is_whole for row in rows), width=60)
    return Group(_table(document, rows, options, screen), *map(Text, _lines(rows)), bar)


def _lines(rows: Sequence["Progress"]) -> list[str]:
    """Why something failed, and the totals."""
    from red.escape import terminal
    from red.plumbing.terminal import span
    from red.study.status import left

    reasons = [terminal(f"{row.run} seed {row.seed}: {reason}") for row in rows for reason in row.reasons]
    trained = sum(row.training == "done" for row in rows)
    evaluated = sum(row.is_whole for row in rows)
    failed = sum(bool(row.reasons) for row in rows)
    totals = f"{len(rows)} runs and seeds: {trained} trained, {evaluated} evaluated, {failed} with a failure"
    seconds = left(rows)
    return [*reasons, totals + (f"; training ends in about {span(seconds)}" if seconds else "")]


def _table(
    document: Mapping[str, Any], rows: Sequence["Progress"], options: argparse.Namespace, screen: "Console"
) -> "Table":
    """With as many metrics as fit beside the names of the runs."""
    from red.study.status import SHOWN

    metrics = [name for name in SHOWN if any(name in row.metrics for row in rows)]
    endless = screen.options.update(width=10_000)
    while True:
        table = _columns(document, rows, options, metrics)
        if not metrics or screen.measure(table, options=endless).maximum <= screen.width:
            return table
        metrics.pop()


def _columns(
    document: Mapping[str, Any], rows: Sequence["Progress"], options: argparse.Namespace, metrics: Sequence[str]
) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from red.escape import terminal
    from red.plumbing.terminal import span
    from red.study import jobs

    title = f"{jobs.results(document)}, scale {document['scale']}"
    table = Table(title=terminal(title), title_justify="left")
    for name in ("run", "seed", "training", "step", "evaluated"):
        table.add_column(name, justify="left" if name in ("run", "training") else "right", no_wrap=True)
    for name in metrics:
        table.add_column(name.replace("/", "/\n"), justify="right", no_wrap=True)
    for row in rows:
        if row.is_whole and (options.unfinished or options.watch) or row.training == "waiting" and options.watch:
            continue
        since = f" {span(time.time() - row.changed)} ago" if row.changed else ""
        table.add_row(
            row.run,
            str(row.seed),
            Text.assemble((row.training, COLORS[row.training]), since),
            f"{row.step}/{row.steps}" if row.steps else "-",
            f"{row.evaluated}/{row.benchmarks}",
            *(f"{row.metrics[name]:z.3g}" if name in row.metrics else "" for name in metrics),
        )
    return table
