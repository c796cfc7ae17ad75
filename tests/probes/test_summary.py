"""The few numbers that a probe comes to."""

import pytest

from red.probes.row import Row, write
from red.probes.summary import summary


def test_tokens_are_averaged_over_each_response_then_over_prompts(tmp_path):
    values = {"a": [0.5, 1.0, 1.0, 1.0, 1.0, 0.0], "b": [0.1, 0.9]}
    rows = [Row("confidence", 0, name, None, None, "length_rollout", length) for name, length in (("a", 1), ("b", 3))]
    rows += [
        Row("confidence", 0, name, place, "x", "p_small", p)
        for name, ps in values.items()
        for place, p in enumerate(ps)
    ]
    write(rows, tmp_path / "probe.parquet")
    assert dict(summary(tmp_path / "probe.parquet")) == pytest.approx(
        {
            "length_rollout, step 0": 2,
            "p_small, step 0": (4.5 / 6 + 0.5) / 2,
            "p_small, first token": 0.3,
            "p_small, product of the first 5": (0.5 + 0.09) / 2,
            "p_small, tokens": 4,
            "length of demonstrations / rollouts": 2,
        }
    )


def test_what_was_measured_at_two_steps_stays_apart(tmp_path):
    rows = [Row("entropy", step, "a", None, None, "entropy_rollout", step + 0.5) for step in (0, 3)]
    write(rows, tmp_path / "probe.parquet")
    assert dict(summary(tmp_path / "probe.parquet")) == {"entropy_rollout, step 0": 0.5, "entropy_rollout, step 3": 3.5}
