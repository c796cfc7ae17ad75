"""What a probe writes: one row per measured number."""

from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa


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
