"""Trackio: kept on this machine, in its own place, unless `TRACKIO_SPACE_ID` says otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.plumbing.tracking.wandb import Run


def start(title: str, folder: Path, spec: Mapping[str, Any]) -> Run:
    """A run with the calls of wandb."""
    return Run("trackio", title, spec)
