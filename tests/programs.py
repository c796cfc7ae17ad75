"""Stand-ins for programs of the machine: no test depends on what happens to be installed."""

import os
import shutil
from pathlib import Path

SLURM = ("sinfo", "squeue", "sacct", "sacctmgr", "sshare", "scontrol", "sbatch", "scancel", "srun")
# What each of them says and how it ends where the client tools are installed and no controller runs.
NO_CONTROLLER = 'echo "${0##*/}: error: Unable to contact slurm controller (connect failure)" >&2; exit 1'


def programs(folder: Path, **lines: str) -> str:
    """Shell programs of one line each, as the first entry of the search path that is returned."""
    folder.mkdir()
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def only(folder: Path, *names: str) -> str:
    """A search path that leads to these programs of the machine and to nothing else."""
    folder.mkdir()
    for name in names:
        path = shutil.which(name)
        assert path, f"this machine has no {name}"
        (folder / name).symlink_to(path)
    return str(folder)
