"""`red plot`: training curves of runs, from their logs alone."""

import argparse
from pathlib import Path

from red.commands import add_results

HELP = "draw metrics of runs from metrics.jsonl: a page to touch (.html), or a picture (.png, .svg)"
SUFFIXES = (".html", ".png", ".svg")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, metrics, and where to write."""
    parser.add_argument("runs", nargs="+", metavar="RUN_OR_FOLDER", help="a run of --results, or where a log lies")
    metrics = "keys of the log, which docs/glossary.md explains; default: some of note"
    parser.add_argument("--metric", default="", metavar="A,B", help=metrics)
    add_results(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .html, .png or .svg")


def run(options: argparse.Namespace) -> int:
    """Write the file and print its name."""
    from analysis.output.write import drawn
    from analysis.report.logs import of_logs
    from analysis.report.plot import chosen, page, picture
    from red.errors import ConfigError
    from red.escape import terminal
    from red.plumbing.storage import write_atomic

    if options.out.suffix not in SUFFIXES:
        raise ConfigError(f"--out {options.out}: expected a name that ends in {', '.join(SUFFIXES)}")
    curves = of_logs(options.runs, options.results)
    metrics = chosen(curves, [name.strip() for name in options.metric.split(",") if name.strip()])
    if options.out.suffix == ".html":
        content: str | bytes = page(curves, metrics)
    else:
        content = drawn(picture(curves, metrics), options.out.suffix[1:])
    write_atomic(options.out, content)
    print(terminal(str(options.out)))
    return 0
