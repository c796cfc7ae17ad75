"""The one declaration of the collected tables, and the documentation that repeats it."""

import re
from dataclasses import fields

import pyarrow as pa
import pytest

from red.probes.row import ROWS, Row
from red.tables.schema import BENCHMARK_KEYS, DYNAMICS, PROBES, SCORES


@pytest.mark.parametrize(("name", "schema"), [("scores", SCORES), ("dynamics", DYNAMICS), ("probes", PROBES)])
def test_the_documented_columns_are_those_of_the_schema(repository, name, schema):
    text = (repository / "docs" / "results-schema.md").read_text()
    columns = re.search(rf"^\| `{name}\.parquet` \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)[1]
    assert columns.split(", ") == schema.names


def test_the_documented_keys_of_a_benchmark_are_those_of_the_schema(repository):
    text = (repository / "docs" / "results-schema.md").read_text()
    keys = re.search(r"^\| `benchmarks\[\]` \|([^|]*)\|$", text, re.MULTILINE)[1]
    assert re.findall(r"`(\w+)`", keys) == list(BENCHMARK_KEYS)


def test_a_row_of_a_probe_is_a_row_of_its_file():
    assert ROWS.names == [field.name for field in fields(Row)]
    row = {"probe": "tokens", "step": 2, "example": "a", "position": None, "token": None, "quantity": "p", "value": 0.5}
    assert pa.Table.from_pylist([row], ROWS).to_pylist() == [row]
    assert set(ROWS.names) < set(PROBES.names)
