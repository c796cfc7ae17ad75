"""Resume states on disk: DeepSpeed's checkpoints, one folder per saved step. Standard library."""

import shutil
import struct
import zipfile
import zlib
from pathlib import Path

from red.errors import ConfigError, DataError
from red.training.files import RunFiles

# The last whole one, and the one being written. DeepSpeed deletes an older one before it begins.
KEPT = 2


def folder(files: RunFiles) -> Path:
    """What OpenRLHF gets as its checkpoint path."""
    return files.state.resolve() / "deepspeed"


def keep_whole(path: Path, ranks: int) -> None:
    """Delete what a killed job left of a state; `latest` names the last whole one.

    ConfigError if that one is of another number of ranks: DeepSpeed would go on without its moments. DataError if one
    of its files is damaged, which torch would read as other numbers.
    """
    actor = path / "_actor"
    latest = actor / "latest"
    whole = latest.read_text(encoding="utf-8").strip() if latest.exists() else None
    for tag in (folder for folder in actor.glob("*") if folder.is_dir() and folder.name != whole):
        shutil.rmtree(tag)
    shards = len(list((actor / whole).glob("*_optim_states.pt"))) if whole else ranks
    if shards != ranks:
        raise ConfigError(
            f"{actor / str(whole)}: has the shards of {shards} ranks, this run has {ranks}; give the run "
            "its old cluster.nodes and cluster.policy_gpus, or delete the folder to start over"
        )
    for file in sorted((actor / whole).glob("*.pt")) if whole else ():
        if not _is_as_written(file):
            raise DataError(f"{file}: damaged; restore it, or delete {path} to start the training over")


def _is_as_written(file: Path) -> bool:
    """Whether the CRCs that torch writes into its archives hold; it does not look at them when it reads."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError):
        return False
