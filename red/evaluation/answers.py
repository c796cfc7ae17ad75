"""Finished answers on disk while a benchmark is being generated."""

import os
from pathlib import Path

from red.plumbing.item_log import ItemLog
from red.plumbing.partials import partial_of

Key = tuple[str, int]  # id of the problem, index of the sample


class AnswerLog(ItemLog):
    """One line per finished answer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ("id", "index"), ("response", "tokens", "finish_reason", "seed", "prompt_hash"))


def share_storage(finished: Path, log: Path) -> None:
    """Let the log be a second name of the finished file, where the file system has hard links."""
    partial = partial_of(log)
    try:
        os.link(finished, partial)
    except OSError:
        return
    os.replace(partial, log)
