"""The table in bench/README.md, made from the files in bench/results."""

import statistics
from pathlib import Path
from typing import Any

from bench.row import Bar, Row
from red.plumbing.partials import overwrite
from red.plumbing.storage import read_object

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: begin (made by python -m bench) -->", "<!-- results: end -->"


def write(folder: Path, rows: dict[str, Row], readme: Path = README) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(section(name, row, folder / f"{name}.json") for name, row in rows.items())
    overwrite(readme, f"{before}{BEGIN}\n\n{body}\n{END}{after}".encode())


def section(name: str, row: Row, path: Path) -> str:
    """Heading, table and notes of one row."""
    lines = [f"### {row.title}", "", f"`python -m bench {'gpu' if row.on_gpu else name}`", ""]
    if path.exists():
        results = read_object(path)
        if "gpu" in results["machine"]:
            lines += [f"On {results['machine']['gpu']}.", ""]
        lines += [*table(row, results), "", *missing(results), *verdicts(row, results)]
    else:
        lines += ["Not measured" + (": no GPU here. The command above fills it." if row.on_gpu else "."), ""]
    lines += [f"- {side.name}: {side.about}." for side in row.sides if side.about]
    return "\n".join([*lines, "", row.notes, ""])


def table(row: Row, results: dict[str, Any]) -> list[str]:
    """One line per case and side: rate, ratio of times to ours with its range, peak memory, facts."""
    lines = [
        f"| case | side | {row.work}/s | time / ours | processor time / ours | memory, MiB | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for case in results["cases"]:
        ours = row.sides[0].name
        for side, runs in in_order(row, case):
            rate = statistics.median(run["work"] / run["seconds"] for run in runs)
            ratios = (
                ["", ""]
                if side == ours
                else [spread(ratio(case, ours, side, quantity)) for quantity in ("seconds", "cpu_seconds")]
            )
            peak = memory(runs)
            facts = ", ".join(f"{key} {value:.4g}" for key, value in sorted(runs[-1]["facts"].items()))
            lines.append(
                f"| {case['name']} | {side} | {rate:,.3g} | {ratios[0]} | {ratios[1]} | "
                f"{'' if peak is None else format(peak, ',.0f')} | {facts} |"
            )
    return lines


def in_order(row: Row, case: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The sides that ran, ours first."""
    return [(side.name, case["runs"][side.name]) for side in row.sides if side.name in case["runs"]]


def missing(results: dict[str, Any]) -> list[str]:
    """Sides that could not run here."""
    lines = [
        f"- {side} cannot run here ({', '.join(cases)}): {next(iter(cases.values()))}"
        for side, cases in results["missing"].items()
    ]
    return [*lines, ""] if lines else []


def verdicts(row: Row, results: dict[str, Any]) -> list[str]:
    """Each bar with what was measured."""
    lines = []
    for bar in row.bars:
        for case in results["cases"]:
            if bar.case in (None, case["name"]) and (bar.side in case["runs"]):
                lines.append(f"- bar, {case['name']}: {verdict(bar, case, row.sides[0].name)}")
    return [*lines, ""] if lines else []


def verdict(bar: Bar, case: dict[str, Any], ours: str) -> str:
    """The bar in words, and whether it is met."""
    runs = case["runs"]
    if bar.side == ours and bar.quantity != "time":
        value = statistics.median(run["facts"][bar.quantity] for run in runs[ours])
        met = "met" if value >= bar.value else "NOT met"
        return f"{bar.quantity} at least {bar.value:g}: {value:.3g}, {met}"
    if bar.side == ours:
        seconds = statistics.median(run["seconds"] for run in runs[ours])
        return f"at most {bar.value:g} s: {seconds:.2f} s, {'met' if seconds <= bar.value else 'NOT met'}"
    if bar.quantity == "memory":
        theirs, own = memory(runs[bar.side]), memory(runs[ours])
        if theirs is None or own is None:
            return "memory is not measured on this system"
        quotient = theirs / max(own, 1.0)
    else:
        quotient = statistics.median(ratio(case, ours, bar.side, "seconds"))
    met = "met" if quotient >= bar.value else "NOT met"
    return f"{bar.side}'s {bar.quantity} at least {bar.value:.2g} times ours: {quotient:.2f}, {met}"


def ratio(case: dict[str, Any], ours: str, side: str, quantity: str) -> list[float]:
    """Turn by turn: theirs over ours, per unit of work."""
    return [
        (theirs[quantity] / theirs["work"]) / (own[quantity] / own["work"])
        for own, theirs in zip(case["runs"][ours], case["runs"][side], strict=True)
    ]


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def memory(runs: list[dict[str, Any]]) -> float | None:
    """Median peak, MiB."""
    peaks = [run["peak_mib"] for run in runs if run["peak_mib"] is not None]
    return statistics.median(peaks) if peaks else None
