"""The collected tables, declared once: every column with its type. Whoever writes or reads one imports it from here."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from red.probes.row import ROWS
from red.ranges import Natural, Samples

RUN = [("run", pa.string()), ("method", pa.string()), ("seed", pa.int64())]
ORIGIN = [("spec_hash", pa.string()), ("code", pa.string())]
SCORES = pa.schema(
    [
        *RUN,
        ("benchmark", pa.string()),
        ("group", pa.string()),
        ("metric", pa.string()),
        ("problem", pa.string()),
        ("sample", pa.int64()),
        ("correct", pa.bool_()),
        ("correct_lenient", pa.bool_()),
        ("reason", pa.string()),
        ("tokens", pa.int64()),
        ("truncated", pa.bool_()),
        *ORIGIN,
    ]
)
DYNAMICS = pa.schema([*RUN, ("step", pa.int64()), ("metric", pa.string()), ("value", pa.float64()), *ORIGIN])
PROBES = pa.schema([*RUN, *ROWS, *ORIGIN])
# Keys of each object in the lists beside the tables, with their types.
ASKED_KEYS: dict[str, Any] = {  # of a run that should be there
    **{"run": str, "method": str, "seed": Natural},
    **dict.fromkeys(("label", "row_group", "scale", "family", "because", "rate_of"), str | None),
    **{"items": tuple[str, ...] | None, "steps": Natural | None, "parameters": float | None},
    **dict.fromkeys(("spec", "study", "provenance"), Mapping[str, Any] | None),
}
RUN_KEYS = ASKED_KEYS | {"status": str}
BENCHMARK_KEYS: dict[str, Any] = dict.fromkeys(("benchmark", "label", "group", "metric", "source"), str)
BENCHMARK_KEYS |= {"samples": Samples | None, "problems": Natural | None}
