"""Rows of a benchmark file, wherever its problems come from."""

from collections.abc import Iterable, Mapping
from typing import Any

from red.evaluation import benchmarks
from red.evaluation.catalog import EMBEDDED
from red.world import benchmarks as tiny


def benchmark_rows(name: str, entry: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """What is written for the benchmark `name`; `entry["source"]` is the tiny world, or of the catalog."""
    return tiny.rows(name) if entry["source"] == EMBEDDED else benchmarks.rows(name, entry)
