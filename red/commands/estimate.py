"""`red estimate`: what a configuration will cost, before it runs."""

import argparse
import sys
from typing import TYPE_CHECKING

from red.commands import add_json, add_overlays, configuration

if TYPE_CHECKING:
    from red.study.estimate import Estimate

LARGEST = 10
HELP = "forecast device-hours, memory, tokens and disk of a configuration"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same overlay as Snakemake's `--configfile`."""
    add_overlays(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print one line per run, the totals, and what sharing saves."""
    import json

    from red.plumbing.records import to_mapping
    from red.study import estimate, jobs, resources

    document = configuration(options)
    jobs.check(document)
    forecast = estimate.estimate(document)
    if options.json:
        totals = {name: to_mapping(getattr(forecast, name)) for name in ("total", "training", "evaluation", "saved")}
        print(json.dumps({**to_mapping(forecast), **totals, "trainings": forecast.trainings}, sort_keys=True))
        return 0
    _print_table(forecast)
    _print_purchases(forecast)
    print(headline(forecast))
    saved = forecast.saved
    print(
        f"Sharing saves {_hours(saved.hours)} {_unit(forecast)} and {_tokens(saved.sampled + saved.trained)} "
        "tokens against training each method with its own copy of the runs it starts from."
    )
    measured = f" Of `hardware`, measured: {', '.join(forecast.known)}." if forecast.known else ""
    print(
        f"Formulas: red/study/estimate.py. Assumptions: sections `hardware`, `shape`, `lengths`, `behaviour`.{measured}"
    )
    if not resources.is_sized(document):
        print("The size of the model is not known, and that of the tiny one was taken: give model.folder or `shape`.")
    return 0


def headline(forecast: "Estimate") -> str:
    """Scale, number of trainings and the total with its uncertainty, in one line."""
    total, (low, high) = forecast.total, forecast.hours_between
    basis = f"{forecast.measured} runs measured" if forecast.measured else "nothing measured yet"
    return (
        f"Scale {forecast.scale}: {forecast.trainings} trainings, {_hours(total.hours)} {_unit(forecast)} "
        f"({_hours(low)} to {_hours(high)}, {basis}), "
        f"{_tokens(total.sampled)} tokens sampled, {_size(total.disk)} kept on disk"
    )


def _print_table(forecast: "Estimate") -> None:
    from rich.table import Table

    from red.escape import terminal
    from red.plumbing.terminal import console

    title = terminal(f"Forecast, scale {forecast.scale}, on {forecast.device}")
    table = Table(title=title, title_justify="left")
    table.add_column("run")
    unit = "core-h" if _unit(forecast) == "core-hours" else "GPU-h"
    for name in (
        "seeds",
        "steps",
        f"train {unit}",
        f"evaluate {unit}",
        "memory/device",
        "sampled",
        "trained",
        "disk",
        "while running",
    ):
        table.add_column(name, justify="right")
    for row in forecast.rows:
        mark = "" if row.measured else "~"
        training, evaluation = row.training.times(row.seeds), row.evaluation.times(row.seeds)
        table.add_row(
            row.run,
            str(row.seeds),
            str(row.steps),
            mark + _hours(training.hours),
            ("" if row.evaluated else "~") + _hours(evaluation.hours),
            _size(row.memory),
            _tokens(training.sampled),
            _tokens(training.trained),
            _size(training.disk + evaluation.disk),
            _size(row.state),
        )
    console(width=None if sys.stdout.isatty() else 140).print(table)


def _print_purchases(forecast: "Estimate") -> None:
    from rich.table import Table

    from red.escape import terminal
    from red.plumbing.terminal import console

    table = Table(title=f"The {LARGEST} largest costs", title_justify="left")
    table.add_column("what")
    table.add_column(_unit(forecast), justify="right")
    table.add_column("share", justify="right")
    table.add_column("what it buys: items, and the runs that need it")
    for one in forecast.purchases[:LARGEST]:
        share = one.cost.seconds / forecast.total.seconds
        table.add_row(terminal(one.name), _hours(one.cost.hours), f"{share:.0%}", terminal(", ".join(one.buys) or "-"))
    console(width=None if sys.stdout.isatty() else 140).print(table)


def _unit(forecast: "Estimate") -> str:
    return "core-hours" if "core" in forecast.device else "GPU-hours"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _tokens(count: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"


def _size(count: float) -> str:
    for size, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count / 1024:.0f} KiB" if count else "-"
