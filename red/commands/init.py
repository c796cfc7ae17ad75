"""`red init`: a folder of one's own with configuration, workflow and analysis."""

import argparse
import os
import shlex
import shutil
from pathlib import Path

HELP = "write configuration, workflow and analysis into a folder, for a study of your own"
FOLDERS = ("analysis", "config", "slurm", "workflow")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or one without a project")


def run(options: argparse.Namespace) -> int:
    """Write the folders and say how to go on."""
    from red.escape import terminal

    for target in write_project(options.folder):
        print(terminal(f"{target}/"))
    print(f"\ncd {terminal(shlex.quote(str(options.folder)))}")
    print("snakemake all --cores 2 -n    # the plan; without -n: all of it")
    return 0


def write_project(out: Path) -> list[Path]:
    """Copy the folders into `out`, which may exist; DataError, and nothing is written, if one of them is there, or if
    that is inside of `home`.

    They become their owner's: no list of hashes guards them.
    """
    from red.commands import home
    from red.errors import DataError
    from red.plumbing.partials import partial_of

    if out.resolve().is_relative_to(home().resolve()):
        raise DataError(f"{out}: lies inside of the project that would be copied; name a folder elsewhere")
    targets = [out / name for name in FOLDERS]
    for target in targets:
        if target.exists() or target.is_symlink():
            raise DataError(f"{target}: is there already; nothing was written. Name another folder")
    out.mkdir(parents=True, exist_ok=True)
    for target in targets:
        partial = partial_of(target)
        try:
            shutil.copytree(home() / target.name, partial, ignore=shutil.ignore_patterns("__pycache__"))
            os.rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return targets
