"""Resume state: atomic, checksummed, with the previous one kept until the new one verifies."""

import hashlib
import io
import sys
from pathlib import Path
from typing import Any, cast

import torch

from red.plumbing.storage import write_atomic
from red.training.files import KEPT


def save_state(directory: Path, step: int, state: dict[str, Any]) -> None:
    """Write `state-<step>.bin` (SHA-256, then the payload); older ones than the last two go."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_atomic(directory / f"state-{step:08d}.bin", hashlib.sha256(payload).digest() + payload)
    for old in sorted(directory.glob("state-*.bin"))[:-KEPT]:
        old.unlink(missing_ok=True)


def load_state(directory: Path) -> dict[str, Any] | None:
    """The newest state whose checksum holds; a damaged one is reported and passed over."""
    for path in sorted(directory.glob("state-*.bin"), reverse=True):
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32] and len(content) > 32:
            return cast(dict[str, Any], torch.load(io.BytesIO(content[32:]), weights_only=True))
        print(f"{path}: damaged; going back to the state before it", file=sys.stderr)
    return None


def forget_after(directory: Path, step: int) -> None:
    """Drop the states ahead of `step`: the metrics of their last steps did not reach the disk whole."""
    for path in directory.glob("state-*.bin"):
        number = path.stem.partition("-")[2]
        if number.isdigit() and int(number) > step:
            print(f"{path}: ahead of the metrics, which are torn; going back to the state before it", file=sys.stderr)
            path.unlink()
