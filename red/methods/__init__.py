"""Methods, one small file each. A method is found by its module name; there is no list to edit."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from red.errors import ConfigError
from red.methods.base import Method
from red.objective.spec import ObjectiveSpec
from red.plumbing.records import merged

NOT_METHODS = {"base", "row"}


def names() -> list[str]:
    """Every method that a run may name."""
    modules = {module.name for module in pkgutil.iter_modules(__path__)}
    return sorted(modules - NOT_METHODS)


def method(name: str, overrides: Mapping[str, Any] | None = None, path: str = "method") -> Method:
    """The method of module `red.methods.<name>`, with a run's overrides merged into its fields.

    Overrides name fields of `ObjectiveSpec` (weight, demonstration, ...) or of `Method` (mix, second_step,
    reward). ConfigError names the full key of an unknown field or an impossible value.
    """
    if name not in names():
        raise ConfigError(f"{path}.method: unknown method {name!r}; one of {', '.join(names())}")
    base: Method = importlib.import_module(f"red.methods.{name}").METHOD
    overrides = dict(overrides or {})
    loss = {k: overrides.pop(k) for k in list(overrides) if k in ObjectiveSpec.__dataclass_fields__}
    result = merged(base, overrides, path)
    return replace(result, objective=merged(base.objective, loss, path))
