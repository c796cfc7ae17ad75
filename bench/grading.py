"""Throughput of the grader beside plain math-verify in one process, on the same cases.

    python bench/grading.py CASES.jsonl [--workers 2] [--repeats 3]

CASES holds rows with gold, response and, if known, strict_label. Plain is the usual pattern
`verify(parse("$gold$"), parse(response))`. Both run in fresh processes, in turn; plain is timed after
its imports, ours with the start of its workers. Prints the times, the median ratio with its spread,
the processor time of each with everything it started (which does not depend on how busy the machine is), and how
often each agrees with the labels, as JSON.
"""

import argparse
import json
import logging
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from red.plumbing.storage import numbered_jsonl


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("plain", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        rows = [row for _, row in numbered_jsonl(options.cases, ("gold", "response"), surrogates=True)]
        figures = plain(rows) if options.only == "plain" else ours(rows, options.workers)
    else:
        turns = [{way: measured(way, options) for way in ("plain", "ours")} for _ in range(options.repeats)]
        figures = compared(turns) | {"workers": options.workers}
    print(json.dumps(figures))


def measured(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """One turn in a process of its own."""
    arguments = [str(options.cases), "--only", way, "--workers", str(options.workers)]
    process = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, check=True)
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def compared(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and spread of plain time over our time, turn by turn."""
    ratios = sorted(turn["plain"]["seconds"] / turn["ours"]["seconds"] for turn in turns)
    return {
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "plain_seconds": [round(turn["plain"]["seconds"], 2) for turn in turns],
        "our_seconds": [round(turn["ours"]["seconds"], 2) for turn in turns],
        "plain_processor_seconds": [round(turn["plain"]["processor_seconds"], 2) for turn in turns],
        "our_processor_seconds": [round(turn["ours"]["processor_seconds"], 2) for turn in turns],
        "cases": turns[0]["ours"]["cases"],
        "plain_agreement": turns[0]["plain"]["agreement"],
        "our_agreement": turns[0]["ours"]["agreement"],
        "our_false_positives": turns[0]["ours"]["false_positives"],
    }


def plain(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """math-verify as it is commonly called, in this process."""
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    started = time.perf_counter()
    verdicts = [verify(parse(f"${row['gold']}$"), parse(row["response"])) for row in rows]
    return scored(rows, verdicts, time.perf_counter() - started)


def ours(rows: list[dict[str, Any]], workers: int) -> dict[str, Any]:
    """The project's grader, start and end of its workers included."""
    from red.grading.grader import Case, Grader

    started = time.perf_counter()
    with Grader(workers) as grader:
        verdicts = [v.correct for v in grader.grade(Case(row["response"], row["gold"]) for row in rows)]
    return scored(rows, verdicts, time.perf_counter() - started)


def scored(rows: list[dict[str, Any]], verdicts: list[bool], seconds: float) -> dict[str, Any]:
    """Time, and agreement with the strict labels that are not null."""
    pairs = [
        (row["strict_label"], correct)
        for row, correct in zip(rows, verdicts, strict=True)
        if row.get("strict_label") is not None
    ]
    agreement = sum(label == correct for label, correct in pairs) / len(pairs) if pairs else None
    return {
        "seconds": seconds,
        "processor_seconds": sum(
            used.ru_utime + used.ru_stime
            for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        ),
        "cases": len(rows),
        "agreement": agreement and round(agreement, 4),
        "false_positives": sum(correct and not label for label, correct in pairs),
    }


if __name__ == "__main__":
    main()
