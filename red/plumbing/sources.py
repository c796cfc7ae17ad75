"""The modules of ours that a module is built from, and their fingerprint, which reruns depend on."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from red.plumbing.provenance import ROOT

# Nothing here changes a result: how a stage is called, how files are written, what is recorded, shown, refused or said
# of an error, and how a foreign text is escaped there. Whatever else a stage imports counts.
NEUTRAL = (
    *("red.plumbing", "red.errors", "red.escape", "red.gpus", "red.ranges"),
    *("red.commands", "red.__main__", "red.project"),
)
# What is packaged beside the modules.
DATA = (".yaml", ".html", ".csv", ".css", ".js")


def sources(*modules: str, roots: tuple[Path, ...] = (ROOT,)) -> list[str]:
    """Files of the modules and of everything of ours that they import, directly or not, relative to the one of `roots`
    that they are found in; the first wins.

    Imports inside functions count, and so do the data files beside a module. A package contributes its
    `__init__.py`, and all of its modules if it is one of `modules`. Left out is what by definition changes no
    result (NEUTRAL). ImportError if one of `modules` does not exist.
    """
    files: dict[str, Path] = {}
    waiting = [name for module in modules for name in (module, *_submodules(module, roots))]
    while waiting:
        name = waiting.pop()
        if name in files or _is_within(name, NEUTRAL):
            continue
        path = _file(name, roots)
        if path is None:
            if name in modules:
                raise ImportError(f"no module {name} below {', '.join(map(str, roots))}")
            continue
        files[name] = path
        waiting += _imports(name, path)
    folders = {path.parent for path in files.values()}
    data = [path for folder in folders for path in folder.iterdir() if path.suffix in DATA]
    return sorted(_relative(path, roots).as_posix() for path in [*files.values(), *data])


def fingerprint(*patterns: str, roots: Iterable[Path] = (ROOT,)) -> str:
    """Hash of sources; Python without comments, docstrings and layout: wording retrains nothing. Of a name that
    several of `roots` have, the first counts."""
    files: dict[str, Path] = {}
    for root in roots:
        for path in (path for pattern in patterns for path in root.glob(pattern) if path.is_file()):
            files.setdefault(path.relative_to(root).as_posix(), path)
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        text = _syntax(path).text if path.suffix == ".py" else path.read_text(encoding="utf-8")
        digest.update(f"{name}\n{text}\n".encode())
    return digest.hexdigest()[:16]


def _is_within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def _file(name: str, roots: tuple[Path, ...]) -> Path | None:
    paths = [root.joinpath(*name.split(".")) for root in roots]
    candidates = (file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _submodules(package: str, roots: tuple[Path, ...]) -> list[str]:
    folders = [root.joinpath(*package.split(".")) for root in roots]
    names = (_relative(path, roots).with_suffix("").parts for folder in folders for path in folder.rglob("*.py"))
    return sorted({".".join(name).removesuffix(".__init__") for name in names})


def _relative(path: Path, roots: Iterable[Path]) -> Path:
    """To the innermost root: an installed package may lie below the project that uses it."""
    return path.relative_to(
        max((root for root in roots if path.is_relative_to(root)), key=lambda root: len(root.parts))
    )


@cache
def _imports(name: str, path: Path) -> tuple[str, ...]:
    """Dotted names that may be modules: `from a import b` gives a and a.b, and the packages of both."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = {package, *_imported(path, package)}
    return tuple(sorted(names - {"", name}))


def _imported(path: Path, package: str) -> Iterator[str]:
    for level, module, names in _syntax(path).imports:
        above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        full = ".".join([*above, *filter(None, [module])])
        yield from _with_packages(full)
        yield from (f"{full}.{name}" for name in names)


def _with_packages(module: str) -> Iterator[str]:
    parts = module.split(".")
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


@dataclass(frozen=True)
class _Syntax:
    """`text`: without comments, docstrings and layout. `imports`: (level, module, names) of each statement; those of
    `import a` are none."""

    text: str
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]


@cache
def _syntax(path: Path) -> _Syntax:
    """Both at once: reading a file costs as much as all that follows."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return _Syntax(ast.dump(tree), tuple(imports))
