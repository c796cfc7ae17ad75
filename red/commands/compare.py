"""`red compare`: two runs on the same problems."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from red.commands import add_json, add_results
from red.plumbing.terminal import number
from red.ranges import Natural

if TYPE_CHECKING:
    from red.tables.compare import Comparison

HELP = "compare two runs: paired test, training curves, answers that flipped"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Two names of runs, where the results are, and where to write."""
    parser.add_argument("first", metavar="RUN_A", help="a run of the configuration, or base")
    parser.add_argument("second", metavar="RUN_B", help="another one")
    add_results(parser)
    parser.add_argument("--examples", type=number(Natural), default=10, metavar="N", help="flipped problems to show")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write this .md or .json file")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print three tables, or all of it as JSON; with --out also write them."""
    from red.errors import ConfigError
    from red.plumbing.checksums import refuse_inputs
    from red.plumbing.storage import readable_json, write_atomic, write_json
    from red.tables.compare import compare, evaluated, markdown

    if options.out and options.out.suffix not in (".md", ".json"):
        raise ConfigError(f"--out {options.out}: expected a name that ends in .md or .json")
    if options.out:
        refuse_inputs(options.out, (options.results / "collected").glob("*"))
    if options.first == options.second:
        raise ConfigError(f"RUN_A and RUN_B are both {options.first!r}")
    if not (options.results / "collected").is_dir():
        remedy = "make the study first, or name the folder of another one with --results"
        raise ConfigError(f"{options.results}: no collected tables here; {remedy}")
    names = (options.first, options.second)
    comparison = compare(names, *evaluated(options.results, names))
    asked = questions(options.results, {flip.benchmark for flip in comparison.flips[: options.examples]})
    if options.json:
        print(readable_json(comparison.document()), end="")
    else:
        _show(comparison, options.examples, asked)
    if options.out and options.out.suffix == ".md":
        write_atomic(options.out, markdown(comparison, options.examples, asked))
    elif options.out:
        write_json(options.out, comparison.document())
    return 0


def _show(comparison: "Comparison", examples: int, asked: Mapping[tuple[str, str], str]) -> None:
    from functools import partial

    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    from red.escape import terminal
    from red.plumbing.terminal import console
    from red.tables.compare import curve_cells, flip_lines, paired_cells

    screen = console()
    one, two = map(terminal, comparison.names)
    # Narrow, and names are never cut.
    table = partial(Table, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    benchmark, difference = Column("benchmark", overflow="fold"), Column("difference", no_wrap=True)
    tests = table(benchmark, "problems", one, two, difference, "p", "Holm", title=f"{one} minus {two}")
    for test in comparison.tests:
        tests.add_row(*map(terminal, paired_cells(test)), style="bold" if test.p_adjusted is None else None)
    screen.print(tests)
    if comparison.curves:
        metric = Column("training metric", overflow="fold")
        curves = table(metric, one, two, title="First tenth → last tenth of the steps")
        for curve in comparison.curves:
            curves.add_row(*map(terminal, curve_cells(curve)))
        screen.print(curves)
    for line in flip_lines(comparison, examples, asked):
        screen.print(terminal(line), soft_wrap=True)


def questions(results: Path, benchmarks: set[str]) -> dict[tuple[str, str], str]:
    """Question of every (benchmark, problem), as far as the benchmark files are there and may show it."""
    from red.plumbing.storage import read_jsonl

    files = {name: results / "data" / "benchmarks" / f"{name}.jsonl" for name in benchmarks}
    return {
        (name, row["id"]): row["question"]
        for name, path in files.items()
        if path.exists()
        for row in read_jsonl(path)
        if isinstance(row.get("id"), str) and isinstance(row.get("question"), str)
    }
