"""What a probe writes: one row per measured number."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from red.plumbing.storage import write_atomic


@dataclass(frozen=True)
class Row:
    """One number. `example` is a prompt id; `position` counts response tokens from 0."""

    probe: str
    step: int
    example: str
    position: int | None
    token: str | None
    quantity: str
    value: float


ARROW: dict[Any, pa.DataType] = dict.fromkeys((str, str | None), pa.string())
ARROW |= dict.fromkeys((int, int | None), pa.int64()) | {float: pa.float64()}
ROWS = pa.schema([(field.name, ARROW[field.type]) for field in fields(Row)])


def write(rows: Sequence[Row], path: Path) -> None:
    """One parquet file, atomically."""
    columns = {name: [getattr(row, name) for row in rows] for name in ROWS.names}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=ROWS), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())
