"""A probe in a few lines: the mean of each quantity over prompts."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

OPENER = 5  # tokens


def summary(path: Path) -> Iterator[tuple[str, float]]:
    """What a probe's file comes to, as (text, number).

    A quantity of single tokens is averaged over each response, then over prompts; its first tokens are told apart,
    together by their product. With lengths of rollouts there is also the ratio of demonstrations to them.
    """
    frame = pq.read_table(path).to_pandas()
    lengths: dict[str, float] = {}
    for (step, quantity), rows in frame.groupby(["step", "quantity"], sort=False):
        yield f"{quantity}, step {step}", float(rows.groupby("example")["value"].mean().mean())
        if rows["position"].isna().any():
            continue
        first = rows[rows["position"] < OPENER]
        yield f"{quantity}, first token", float(first[first["position"] == 0]["value"].mean())
        yield f"{quantity}, product of the first {OPENER}", float(first.groupby("example")["value"].prod().mean())
        lengths[quantity] = float(rows.groupby("example").size().mean())
        yield f"{quantity}, tokens", lengths[quantity]
    rollouts = frame[frame["quantity"] == "length_rollout"]["value"].mean()
    if "p_small" in lengths and rollouts > 0:
        yield "length of demonstrations / rollouts", lengths["p_small"] / float(rollouts)
