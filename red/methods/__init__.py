"""Methods, one small file each. A method is found by its module name; there is no list to edit."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from red.errors import ConfigError
from red.methods.base import Method
from red.objective.spec import ObjectiveSpec
from red.plumbing.records import merged, suggestion

NOT_METHODS = {"base", "row"}


@functools.cache
def names() -> tuple[str, ...]:
    """Every method that a run may name. The folder is listed once: a plan asks for each of its runs."""
    modules = {module.name for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(modules - NOT_METHODS))


def method(name: str, overrides: Mapping[str, Any] | None = None, path: str = "method") -> Method:
    """The method of module `red.methods.<name>`, with a run's overrides merged into its fields.

    Overrides name fields of `ObjectiveSpec` (weight, demonstration, ...) or of `Method` (mix, second_step,
    reward). ConfigError names the full key of an unknown field or an impossible value.
    """
    if name not in names():
        where = f"{path}.method".removeprefix("method.")
        raise ConfigError(f"{where}: unknown method {name!r}{suggestion(name, names())}")
    if "objective" in (overrides or {}):
        parts = ", ".join(ObjectiveSpec.__dataclass_fields__)
        raise ConfigError(f"{path}.objective: unknown key; its parts stand by themselves: {parts}")
    base: Method = importlib.import_module(f"red.methods.{name}").METHOD
    overrides = dict(overrides or {})
    loss = {k: overrides.pop(k) for k in list(overrides) if k in ObjectiveSpec.__dataclass_fields__}
    result = merged(base, overrides, path)
    return replace(result, objective=merged(base.objective, loss, path))
