"""`red collect`: grades, metrics and probes of all runs as three tidy tables."""

import argparse
import sys
from pathlib import Path

from red.commands import add_overlays, configuration

HELP = "collect grades, metrics and probes into three tables; works while runs are missing"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `collect` passes; by hand, `--configfile` replaces the first two."""
    parser.add_argument("--spec", help="runs, benchmarks and probes to look for, JSON or @FILE")
    add_overlays(parser, "instead of --spec: ")
    parser.add_argument("--results", type=Path, help="results of one scale; by default the configured one")
    parser.add_argument("--out", type=Path, help="by default RESULTS/collected")


def run(options: argparse.Namespace) -> int:
    """Write the tables; a run that is not finished is listed as missing."""
    from red.errors import ConfigError
    from red.escape import terminal
    from red.plumbing.storage import argument
    from red.tables.collect import collect

    if options.spec is None:
        from red.study import jobs

        document = configuration(options)
        spec, results = jobs.collect_spec(document), options.results or jobs.results(document)
    elif options.results is None:
        raise ConfigError("--results: say where the results of --spec are")
    else:
        results = options.results
        spec = argument(options.spec)
    runs = collect(spec, results, options.out or results / "collected")
    missing = [run for run in runs if run.lacks]
    print(f"{len(runs) - len(missing)} of {len(runs)} runs collected", file=sys.stderr)
    for run in missing:
        print(terminal(f"missing: {run.entry['run']} seed {run.entry['seed']}: {run.lacks[0]}"), file=sys.stderr)
    return 0
