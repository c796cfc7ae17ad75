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
    """Copy the folders into `out`, which may exist; DataError, and nothing is written, if one of them is there, or if
    `out` is inside of `home`.

    They become their owner's: no list of hashes guards them.
    """
    if out.resolve().is_relative_to(home().resolve()):
        raise DataError(f"{out}: lies inside of the project that would be copied; name a folder elsewhere")
    targets = [out / name for name in FOLDERS]
    for target in targets:
        if target.exists() or target.is_symlink():
            raise DataError(f"{target}: is there already; nothing was written. Name another folder")
    out.mkdir(parents=True, exist_ok=True)
    partials = {target: partial_of(target) for target in targets}
    try:
        for target, partial in partials.items():
            _copy(home() / target.name, partial)
        for target, partial in partials.items():
            os.rename(partial, target)
    finally:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)
    return targets


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    except shutil.Error as error:  # of every file in turn; the first says why
        file, _, reason = error.args[0][0]
        raise DataError(f"{target.parent}: {file} cannot be copied there ({reason}); nothing was written") from None
