"""The figures of the campaign: results.json, and the README.md that is made from it."""

import fcntl
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from red.plumbing.partials import overwrite
from red.plumbing.storage import read_object, readable_json

# Kills and fuzzing are drawn from it.
SEED = 7


@dataclass(frozen=True)
class Outcome:
    """`survived`: handled as expected; `untestable`: not tried, the remark says why; else lost."""

    name: str
    kind: str
    result: Literal["survived", "lost", "untestable"]
    remark: str = ""
    faults: int = 1


def save(folder: Path, outcomes: Sequence[Outcome], names: Collection[str] | None = None) -> dict[str, Any]:
    """Write the outcomes without dates or durations, so that the same code gives the same files.

    Cases that were not tried this time keep their outcome, if they are among `names` (None: whatever they are).
    """
    with (folder / ".lock").open("w") as lock:  # several processes try cases at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        document = _read(folder)
        latest = {case["name"]: case for case in document["cases"]} | {one.name: asdict(one) for one in outcomes}
        cases = [case for name, case in latest.items() if names is None or name in names]
        return _write(folder, {**document, "seed": SEED, "classes": totals(cases), "cases": cases})


def save_load(folder: Path, figure: dict[str, Any]) -> None:
    """Put a load figure beside the cases, in the place of an older one."""
    document = _read(folder)
    rows = {(row["what"], row["size"]): row for row in [*document.get("load", []), figure]}
    _write(folder, {**document, "load": list(rows.values())})


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    return read_object(path) if path.exists() else {"seed": SEED, "classes": {}, "cases": []}


def _write(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    overwrite(folder / "results.json", readable_json(document).encode())
    overwrite(folder / "README.md", page(document).encode())
    return document


def totals(cases: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Faults tried, survived, lost and not testable, by class and in all."""
    totals: dict[str, dict[str, int]] = {}
    for case in cases:
        for kind in (case["kind"], "all"):
            counts = totals.setdefault(kind, {"tried": 0, "survived": 0, "lost": 0, "untestable": 0})
            counts[case["result"]] += case["faults"]
            counts["tried"] += case["faults"] * (case["result"] != "untestable")
    return totals


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
    """README.md: the table, what was lost or could not be tried, and the load figures."""
    parts = ["# Faults tried, survived, lost", "", table(document)]
    parts += [
        "Made by `make faults` from results.json, which keeps the last outcome of each case; seeds are fixed. A fault "
        "is survived if the program continues to the result of an undisturbed run, bit for bit, or stops with the one "
        "line that is expected and nothing half-written in a final place.",
        "",
    ]
    for title, result in (("Lost", "lost"), ("Not testable on the machine of these figures", "untestable")):
        if cases := [case for case in document["cases"] if case["result"] == result]:
            parts += [f"## {title}", ""]
            parts += [f"- {case['name']}: {' '.join(case['remark'].split())[:200]}" for case in cases] + [""]
    if "load" in document:
        parts += ["## Load", "", "| what | size | seconds | peak memory, MiB |", "|---|--:|--:|--:|"]
        parts += [
            f"| {row['what']} | {row['size']:,} | {row['seconds']:.1f} | {row['peak_mib']:.0f} |"
            for row in document["load"]
        ]
        parts.append("")
    return "\n".join(parts)
