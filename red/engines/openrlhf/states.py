"""Resume states on disk: DeepSpeed's checkpoints, one folder per saved step. Standard library."""

import shutil
from pathlib import Path

from red.errors import ConfigError
from red.training.files import RunFiles

# The last whole one, and the one being written. DeepSpeed deletes an older one before it begins.
KEPT = 2


def folder(files: RunFiles) -> Path:
    """What OpenRLHF gets as its checkpoint path."""
    return files.state.resolve() / "deepspeed"


def keep_whole(path: Path, ranks: int) -> None:
    """Delete what a killed job left of a state; `latest` names the last whole one.

    ConfigError if that one is of another number of ranks: DeepSpeed would go on without its moments.
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
