"""TensorBoard: event files in `<run folder>/tensorboard`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventFiles:
    """One scalar per metric and step."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append them."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is buffered."""
        self.writer.close()


def start(title: str, folder: Path, spec: Mapping[str, Any]) -> EventFiles:
    """Event files of one run."""
    return EventFiles(folder / "tensorboard")
