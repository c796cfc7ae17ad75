"""Resume state: atomic, checksummed, with the previous one kept until the new one verifies."""

import io
import sys
from pathlib import Path
from typing import Any, cast

import torch

from red.plumbing.storage import read_guarded, write_guarded
from red.training.files import KEPT


def save_state(directory: Path, step: int, state: dict[str, Any]) -> None:
    """Write `state-<step>.bin`; older ones than the last two go."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_guarded(directory / f"state-{step:08d}.bin", buffer.getvalue())
    for old in sorted(directory.glob("state-*.bin"))[:-KEPT]:
        old.unlink(missing_ok=True)


def load_state(directory: Path) -> dict[str, Any] | None:
    """The newest state whose checksum holds; a damaged one is reported and passed over."""
    for path in sorted(directory.glob("state-*.bin"), reverse=True):
        payload = read_guarded(path)
        if payload is not None:
            return cast(dict[str, Any], torch.load(io.BytesIO(payload), weights_only=True))
        print(f"{path}: damaged; going back to the state before it", file=sys.stderr)
    return None


def forget_after(directory: Path, step: int) -> None:
    """Drop the states ahead of `step`: after it metrics or a snapshot did not reach the disk whole, or are damaged."""
    for path in directory.glob("state-*.bin"):
        number = path.stem.partition("-")[2]
        if number.isdigit() and int(number) > step:
            print(
                f"{path}: ahead of step {step}, up to which metrics and snapshots are whole; going back to the state "
                "before it",
                file=sys.stderr,
            )
            path.unlink()
