"""The folders of a project (workflow, analysis, config, slurm): where they are, and a copy for a study of one's own."""

import os
import shutil
import sys
from pathlib import Path

from red.errors import DataError
from red.plumbing.partials import partial_of
from red.plumbing.provenance import ROOT

FOLDERS = ("analysis", "config", "slurm", "workflow")
PACKAGED = Path(__file__).resolve().parent / "packaged"  # in a wheel (setup.py)


def home() -> Path:
    """The checkout that this package is part of, or what its wheel brought."""
    return PACKAGED if PACKAGED.is_dir() else ROOT


def make_importable() -> None:
    """`analysis` for a command: of the project in the current folder, which its owner may change, else of `home`."""
    sys.path += [str(folder) for folder in (Path.cwd(), home()) if (folder / "workflow" / "Snakefile").is_file()]


def write_project(out: Path) -> list[Path]:
    """Copy the folders into `out`, which may exist; DataError, and nothing is written, if one of them is there.

    They become their owner's: no list of hashes guards them.
    """
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
