"""RED: Recall-Extend Dynamics and every method it is compared with, under one objective.

`from red import ...` gives the public names, which `__init__.pyi` lists with the modules that they are defined in.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for: `import red` and the commands stay quick."""
    import importlib

    public = _public()
    if name not in public:
        raise AttributeError(f"module 'red' has no attribute {name!r}")
    module, original = public[name]
    return globals().setdefault(name, getattr(importlib.import_module(module), original))


def __dir__() -> list[str]:
    """What a completion offers."""
    return sorted({*globals(), *_public()})


def _public() -> dict[str, tuple[str, str]]:
    """{public name: (module, name there)}, read from the stub, so that the list exists once."""
    import ast
    from pathlib import Path

    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
