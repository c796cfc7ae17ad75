"""Text files are read and written in an encoding that is named, never in the terminal's (beside ruff's PLW1514, which
misses what it cannot infer to be a path)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

MODE = re.compile(r"[rwax][+t]*")


def texts(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that read or write a text file."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        modes = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if name in ("read_text", "write_text") or (
            name == "open" and (not call.args or any(map(MODE.fullmatch, modes)))
        ):
            yield call


def test_every_text_file_names_its_encoding(repository: Path):
    found, bare = 0, []
    for folder in ("red", "analysis", "bench", "workflow"):
        for path in (repository / folder).rglob("*.py"):
            for call in texts(ast.parse(path.read_text(encoding="utf-8"))):
                found += 1
                if isinstance(call.func, ast.Name) and call.func.id == "read_text":  # red.plumbing.storage's: UTF-8
                    continue
                if "encoding" not in {keyword.arg for keyword in call.keywords}:
                    bare.append(f"{path.relative_to(repository)}:{call.lineno}")
    assert found > 20 and not bare
