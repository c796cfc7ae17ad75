"""The section `sweep`: every learning rate of one grid as an ordinary run, evaluated on held-out training questions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from red.errors import ConfigError
from red.evaluation.catalog import HELD_OUT
from red.plumbing.records import closest
from red.study.runs import entry, w_source

REASON = "lr: red sweep"


def rated(config: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the rates of its section `rates` written into the runs as `lr`; a run's own stays."""
    runs = dict(config["runs"])
    for run, rate in (config["rates"] or {}).items():
        if run not in runs:
            raise ConfigError(f"rates: no run named {run!r}{closest(run, runs)}")
        own = runs[run] or {}
        if "lr" not in own:
            runs[run] = {**own, "lr": rate, "because": _because(entry(config, run), REASON)}
    return {key: value for key, value in config.items() if key != "rates"} | {"runs": runs}


def swept(config: Mapping[str, Any]) -> dict[str, Any]:
    """The study that the section `sweep` asks for: its runs at each rate of the grid, and what these start from.

    With `only`, those of its runs. No probe, no derived model and no other benchmark is left. ConfigError names a run
    that has no rate of its own to choose.
    """
    sweep = config["sweep"]
    chosen = [run for run in sweep["runs"] if run in config.get("only", sweep["runs"])]
    runs = {run: _without_seeds(config, run) for run in config["runs"]}
    candidates: dict[str, Any] = {}
    for run in chosen:
        if run not in config["runs"]:
            raise ConfigError(f"sweep.runs: no run named {run!r}{closest(run, config['runs'])}")
        if source := w_source(config, run):
            raise ConfigError(f"sweep.runs: {run} reads w from {source} and takes its rate")
        candidates |= {candidate(run, rate): _at(runs[run], run, rate, sweep["grid"]) for rate in sweep["grid"]}
    if not candidates:
        raise ConfigError("only: none of these is among sweep.runs")
    validation = {"source": HELD_OUT, "rows": sweep["questions"], "samples": sweep["samples"], "label": "Validation"}
    validation |= {"grader": "math", "metric": "pass_at_1", "group": "validation"}
    return {
        **config,
        "seeds": sweep["seeds"],
        "runs": runs | candidates,
        "only": list(candidates),
        "benchmarks": {"validation": validation},
        "derived": {},
        "probes": {},
        "large_model": None,
        "teacher_model": config.get("teacher_model") or config.get("large_model"),
    }


def candidate(run: str, rate: float) -> str:
    """`sft` at 2.5e-4 is `sft_lr_0_00025`."""
    return f"{run}_lr_{Decimal(repr(rate)):f}".replace(".", "_")


def _without_seeds(config: Mapping[str, Any], run: str) -> dict[str, Any]:
    """The whole entry; its seeds are those of the sweep."""
    return {key: value for key, value in entry(config, run).items() if key != "seeds"}


def _at(line: Mapping[str, Any], run: str, rate: float, grid: list[float]) -> dict[str, Any]:
    """The run's entry at a rate."""
    return {
        **line,
        "lr": rate,
        "because": _because(line, f"{REASON} over {', '.join(f'{one:g}' for one in sorted(grid))}"),
        "label": f"{line.get('label') or run} at {rate:g}",
        "items": ["sweep"],
        "rate_of": run,
    }


def _because(line: Mapping[str, Any], reason: str) -> str:
    """What the entry says of its other keys, and why it has its rate."""
    others = (line.get("because") or "").split(REASON)[0].rstrip("; ")
    return "; ".join(filter(None, (others, reason)))
