"""A source of data is one function `from_<source>` of the module that reads it, found by name."""

from collections.abc import Callable, Mapping
from typing import Any

from red.errors import ConfigError

PREFIX = "from_"


def source(module: Mapping[str, Any], name: str, key: str) -> Callable[..., Any]:
    """The function `from_<name>` that a module defines; `module` is its `globals()`.

    ConfigError begins with `key`, where the configuration names the source.
    """
    functions: dict[str, Callable[..., Any]] = {
        attribute.removeprefix(PREFIX): value
        for attribute, value in module.items()
        if attribute.startswith(PREFIX) and getattr(value, "__module__", None) == module["__name__"]
    }
    if name not in functions:
        raise ConfigError(f"{key}: {name!r} is unknown; known: {', '.join(sorted(functions))}")
    return functions[name]
