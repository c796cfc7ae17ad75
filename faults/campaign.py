"""Runs cases and keeps the figures: results.json, and the table in README.md that is made from it."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from faults import world
from faults.case import Case, Outcome, names, outcome
from red.plumbing.storage import read_object, write_atomic, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
# One module per class, each with `cases(seed)`.
CLASSES = ("resume", "workflow", "inputs", "numbers", "output", "fuzz")
SEED = 7


def cases(classes: Sequence[str] = CLASSES, seed: int = SEED) -> list[Case]:
    """Every case of these classes, with names that differ."""
    found = [case for name in classes for case in import_module(f"faults.{name}").cases(seed)]
    names(found)
    return found


def run(wanted: Iterable[Case]) -> Iterator[Outcome]:
    """Try each case in a folder of its own; the world is made once."""
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        root = Path(temporary)
        with redirect_stderr(StringIO()):
            small = world.make(root / "world")
        for number, case in enumerate(wanted):
            folder = root / f"case{number}"
            folder.mkdir()
            started = time.monotonic()
            with redirect_stderr(StringIO()):
                found = outcome(case, folder, small)
            _say(found, time.monotonic() - started)
            yield found
            shutil.rmtree(folder, ignore_errors=True)


def _say(found: Outcome, seconds: float) -> None:
    remark = f": {found.remark}" if found.remark and found.result != "survived" else ""
    line = f"{found.result:10} {seconds:6.1f} s  {found.kind}: {found.name}{remark}"
    print(line, file=sys.stderr, flush=True)


def save(outcomes: Sequence[Outcome], seed: int, order: Sequence[str], path: Path = RESULTS) -> dict[str, Any]:
    """Write the outcomes without dates or durations, so that the same code gives the same file.

    Cases that were not tried this time keep their outcome; `order` names all that there are.
    """
    previous = read_object(path) if path.exists() else {"cases": []}
    known = {case["name"]: Outcome(**case) for case in previous["cases"]} | {one.name: one for one in outcomes}
    found = [known[name] for name in order if name in known]
    document = {**previous, "seed": seed, "classes": totals(found), "cases": [asdict(one) for one in found]}
    write_json(path, document)
    return document


def keep_load(figure: dict[str, Any], path: Path = RESULTS) -> None:
    """Put a load figure beside the cases, in the place of an older one."""
    document = read_object(path) if path.exists() else {"seed": SEED, "classes": {}, "cases": []}
    rows = {(row["what"], row["size"]): row for row in document.get("load", [])}
    rows[figure["what"], figure["size"]] = figure
    document["load"] = list(rows.values())
    write_json(path, document)
    publish(document)


def totals(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Faults tried, survived, lost and not testable, by class and in all."""
    found: dict[str, dict[str, int]] = {}
    for one in outcomes:
        for kind in (one.kind, "all"):
            counts = found.setdefault(kind, {"tried": 0, "survived": 0, "lost": 0, "untestable": 0})
            counts[one.result] += one.faults
            counts["tried"] += one.faults * (one.result != "untestable")
    return found


def table(document: dict[str, Any]) -> str:
    """The Markdown table of tried, survived, lost."""
    lines = ["| class | tried | survived | lost | not testable here |", "|---|--:|--:|--:|--:|"]
    # The sum last, whatever the order of a file's keys.
    for kind, counts in sorted(document["classes"].items(), key=lambda item: (item[0] == "all", item[0])):
        name = f"**{kind}**" if kind == "all" else kind
        cells = [str(counts[key]) for key in ("tried", "survived", "lost", "untestable")]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines) + "\n"


def page(document: dict[str, Any]) -> str:
    """README.md of this folder: the table, what could not be tried, and the load figures."""
    parts = ["# Faults tried, survived, lost", "", table(document)]
    parts += [
        "Made by `make faults` from `faults/results.json`; seeds are fixed. A fault is survived if the "
        "program continues to the result of an undisturbed run, bit for bit, or stops with the one "
        "line that is expected and nothing half-written in a final place.",
        "",
    ]
    untestable = [case for case in document["cases"] if case["result"] == "untestable"]
    if untestable:
        parts += ["## Not testable on the machine of these figures", ""]
        parts += [f"- {case['name']}: {case['remark']}" for case in untestable] + [""]
    if "load" in document:
        parts += ["## Load", "", "| what | size | seconds | peak memory, MiB |", "|---|--:|--:|--:|"]
        parts += [
            f"| {row['what']} | {row['size']:,} | {row['seconds']:.1f} | {row['peak_mib']:.0f} |"
            for row in document["load"]
        ]
        parts.append("")
    return "\n".join(parts)


def publish(document: dict[str, Any]) -> None:
    """Write README.md."""
    write_atomic(HERE / "README.md", page(document))
