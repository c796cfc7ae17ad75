"""`red.sha256`: what the program wrote into a folder, in the format of `sha256sum`.

Only what is listed there and unchanged since is ever replaced; what is listed and has changed is not read. A folder
that was written whole carries the list of all its files, and so do copies of it.
"""

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from red.errors import ConfigError, DataError
from red.plumbing.partials import open_regular, overwrite

NAME = "red.sha256"
# What Snakemake puts into a folder that is the output of a job.
NEUTRAL = (NAME, ".snakemake_timestamp")
NO_LOCKS = (errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # of a file system
CHANGED = (
    "changed since the program wrote it; restore it, delete it to have it made again, or take its line out of "
    f"{NAME} if the change is meant"
)
FOREIGN = "not made by this program, or changed since; move it away or write elsewhere"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")

Hashes = Mapping[str, frozenset[str]]  # by name; two while a file is being replaced


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_hash(path: Path) -> str:
    """SHA-256 of a folder's manifest: relative names and content hashes, sorted.

    DataError for a file that the folder's own list has otherwise, or that is gone.
    """
    found = {name: file_hash(file) for name, file in _files(path)}
    for name, hashes in listed(path).items():
        if found.get(name) not in hashes:
            state = CHANGED if name in found else f"missing, {NAME} beside it lists it; restore it"
            raise DataError(f"{path / name}: {state}")
    lines = "".join(f"{name} {found[name]}\n" for name in sorted(found))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def listed(folder: Path) -> Hashes:
    """The hashes that the program wrote down for the files of a folder; empty if there is no list."""
    path = folder / NAME
    if not path.is_file():  # a pipe in a stranger's folder would block
        return {}
    hashes: dict[str, frozenset[str]] = {}
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}: line {number}: not a hash and a name; restore it, or delete it to check nothing")
        digest, name = match.groups()
        hashes[name] = hashes.get(name, frozenset()) | {digest}
    return hashes


def check(path: Path, digest: str) -> None:
    """DataError if the file with this hash is not the one that the program wrote. What is not listed is not checked."""
    if digest not in listed(path.parent).get(path.name, {digest}):
        raise DataError(f"{path}: {CHANGED}")


def input_hash(path: Path) -> str:
    """Of what a stage reads, a file or a folder; DataError if it is not as the program wrote it."""
    if path.is_dir():
        return folder_hash(path)
    digest = file_hash(path)
    check(path, digest)
    return digest


def refuse_foreign(path: Path) -> None:
    """DataError if the program must not write a file at `path`: something is there that it did not make."""
    path = Path(os.path.abspath(path))
    if os.path.lexists(path):
        with _alone(path.parent):
            _refuse_foreign(path)
    _refuse_parent(path)


def _refuse_parent(path: Path) -> None:
    """DataError, before any work is done, where no folder can be made for `path`."""
    parent = next((parent for parent in path.parents if os.path.lexists(parent)), Path("/"))
    if not parent.is_dir():
        raise DataError(f"{path}: {parent} is {_kind(parent)}, not a folder; write elsewhere")


def _refuse_foreign(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{path}: is {_kind(path)}, not a file to replace; give another name")
    if file_hash(path) not in listed(path.parent).get(path.name, ()):
        raise DataError(f"{path}: {FOREIGN}")


def refuse_inputs(path: Path, inputs: Iterable[Path | None]) -> None:
    """ConfigError if a product at `path` would take the place of something that is read for it, or of a part of it."""
    place = Path(os.path.realpath(path))
    for source in inputs:
        if source is not None and Path(os.path.realpath(source)).is_relative_to(place):
            raise ConfigError(f"--out: {path} would replace {source}, which is read for it; give another name")


def refuse_inside(path: Path, models: Iterable[Path | None]) -> None:
    """ConfigError if `path` is the folder of a model that is read, or lies in it: that would change, and with it its
    hash."""
    place = Path(os.path.realpath(path))
    for source in models:
        if source is not None and place.is_relative_to(os.path.realpath(source)):
            raise ConfigError(f"--out: {path} lies in {source}, which is read for it; write elsewhere")


def refuse_foreign_folder(path: Path) -> None:
    """DataError if the program must not write a folder at `path`: something is there that it did not make whole.

    A folder is its own if its list has every file in it; an empty one is nobody's.
    """
    path = Path(os.path.abspath(path))
    _refuse_parent(path)
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise DataError(f"{path}: is {_kind(path)}, not a folder to replace; give another name")
    places = (Path.cwd(), Path(os.path.expanduser("~")))
    if path.is_mount() or any(place.is_relative_to(path.resolve()) for place in places):
        raise DataError(f"{path}: is a mount point, or the current folder or a home; give another name")
    own = listed(path)
    for folder, folders, files in os.walk(path):
        for file in (Path(folder) / name for name in files + folders):
            if file.is_dir() and not file.is_symlink():
                continue
            name = file.relative_to(path).as_posix()
            is_regular = file.is_file() and not file.is_symlink()
            if not is_regular or (name not in NEUTRAL and file_hash(file) not in own.get(name, ())):
                raise DataError(f"{file}: {FOREIGN}")


def list_all(folder: Path) -> None:
    """Write the list of everything in a folder that is about to get its name."""
    _write(folder, {name: frozenset([file_hash(file)]) for name, file in _files(folder) if name != NAME})


@contextmanager
def listing(path: Path, digest: str) -> Iterator[None]:
    """Inside, `path` gets the content with this hash; DataError if something foreign is there by now. Listed before, so
    that a killed program finds its own file; one process at a time, so that the last one's content is what is listed.
    """
    if "\n" in path.name:
        raise DataError(f"{path}: a name with a line end; give another one")
    with _alone(path.parent):
        _refuse_foreign(path)
        others = listed(path.parent)
        before = others.get(path.name, frozenset())
        _write(path.parent, {**others, path.name: before | {digest}})
        yield
        if before:
            _write(path.parent, {**others, path.name: frozenset([digest])})


def _write(folder: Path, hashes: Hashes) -> None:
    path = folder / NAME
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise DataError(f"{path}: is {_kind(path)}, not a list that this program wrote; move it away")
    lines = [f"{digest}  {name}\n" for name in sorted(hashes) for digest in sorted(hashes[name])]
    if lines:
        overwrite(path, "".join(lines).encode("utf-8", "surrogateescape"))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a link"
    return "a folder" if path.is_dir() else "a file" if path.is_file() else "a device"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Several jobs write files of one folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)
