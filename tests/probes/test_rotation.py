"""The probe `rotation`: every quantity of every matrix, beside its nulls."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from red.__main__ import main
from red.models import checkpoint as checkpoints
from red.models import singular
from red.models.projections import projections
from red.probes.rotation import DRAWS, Rotation, compared, expected, measure
from red.probes.row import ROTATION, quantities

SHAPE = (24, 16)


def matrix(seed):
    return np.random.default_rng(seed).standard_normal(SHAPE)


def test_every_quantity_that_is_ordered_is_measured():
    assert compared(matrix(0), matrix(1), 2).keys() == set(ROTATION)
    assert quantities("rotation", ["parent"], 7) == {(7, name) for name in ROTATION}


def test_a_model_that_did_not_move_turned_nothing_and_neither_did_its_null():
    found = compared(matrix(0), matrix(0), 2)
    still = {name: value for name, value in found.items() if not name.endswith("_rounding")}
    assert still == pytest.approx(dict.fromkeys(still, 0.0), abs=1e-12)
    assert found["angle_left_rounding"] > 0


def test_a_random_change_lies_within_the_range_of_random_changes():
    """It does in 95 of 100; here in all but a few of 60 trials."""
    outside = 0
    for seed in range(60):
        own = matrix(seed)
        found = compared(own, own + 0.1 * np.random.default_rng(1000 + seed).standard_normal(SHAPE), seed)
        outside += not found["angle_left_null_low"] <= found["angle_left"] <= found["angle_left_null_high"]
    assert outside <= 9


def test_a_turn_of_the_leading_plane_lies_beyond_it_and_a_scaling_below():
    """The leading vectors turned by 0.2 radians into the smallest ones; and the matrix times 1.1."""
    own = singular.factors(np.diag(np.arange(16, 0, -1.0)))
    turn = np.eye(16)
    for front, back in zip(range(own.top), range(15, 15 - own.top, -1), strict=True):
        turn[[front, back], [front, back]] = math.cos(0.2)
        turn[front, back], turn[back, front] = -math.sin(0.2), math.sin(0.2)
    before = own.left * own.values @ own.right.T
    found = compared(before, turn @ before, 0)
    assert found["angle_left"] == pytest.approx(0.2) and found["angle_left_null_high"] < 0.2
    scaled = compared(before, 1.1 * before, 0)
    assert scaled["angle_left"] == pytest.approx(0, abs=1e-6) and scaled["angle_left_null_low"] > 0
    assert scaled["value_change"] == pytest.approx(0.1) and scaled["norm_change"] == pytest.approx(0.1)
    assert scaled["energy_diagonal"] == pytest.approx(1)


def test_where_values_nearly_agree_no_single_vector_is_told():
    found = compared(np.eye(8), np.eye(8) + 0.01 * matrix(0)[:8, :8], 0)
    assert math.isnan(found["energy_diagonal"]) and math.isnan(found["energy_diagonal_null"])
    assert found["energy_in_span"] == pytest.approx(1) and found["angle_left"] > 0


def test_the_range_is_that_of_one_more_draw():
    """Student's t with 4 degrees of freedom: 2.776, times sqrt(1 + 1/5); the draws 1 to 5 have a variance of 2.5."""
    assert DRAWS == 5
    half = 2.776445 * math.sqrt(1.2) * math.sqrt(2.5)
    assert expected([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3.0, 3.0 - half, 3.0 + half), rel=1e-6)


@pytest.fixture
def models(make_checkpoint):
    return make_checkpoint(0), make_checkpoint(1)


def test_rows_name_their_matrix_and_repeat(models):
    rows = list(measure(Rotation("rotation", 9, seed=3), *models))
    assert [row.example for row in rows[:: len(ROTATION)]] == list(projections(models[0]))
    assert {(row.probe, row.step, row.position, row.token) for row in rows} == {("rotation", 9, None, None)}
    again = measure(Rotation("rotation", 9, seed=3), *models)
    assert [repr(row) for row in rows] == [repr(row) for row in again]  # NaN is not NaN


def test_the_command_writes_a_table_and_prints_its_means(models, tmp_path, capsys):
    words = ["--checkpoint", str(models[0]), "--start", str(models[1]), "--out", str(tmp_path / "rotation.parquet")]
    assert main(["rotation", "--spec", json.dumps({"probe": "rotation", "step": 9}), *words]) == 0
    table = pq.read_table(tmp_path / "rotation.parquet")
    assert table.num_rows == len(projections(models[0])) * len(ROTATION)
    assert "angle_left_null, step 9" in capsys.readouterr().out


def test_a_start_of_another_shape_is_one_line(models, build_checkpoint, tmp_path, capsys):
    checkpoints.save(build_checkpoint(), tmp_path / "other")
    words = ["--checkpoint", str(models[0]), "--start", str(tmp_path / "other"), "--out", str(tmp_path / "r.parquet")]
    assert main(["rotation", "--spec", json.dumps({"probe": "rotation", "step": 9}), *words]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].endswith("give a model of one shape") and not (tmp_path / "r.parquet").exists()
