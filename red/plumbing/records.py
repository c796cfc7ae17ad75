"""Strict conversion between plain mappings and frozen dataclasses."""

import dataclasses
import difflib
import functools
import sys
import types
import typing
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, TypeVar

from red.errors import ConfigError
from red.ranges import Range

T = TypeVar("T")
FLOAT_MAX = sys.float_info.max


def from_mapping(cls: type[T], values: Mapping[str, Any], path: str) -> T:
    """Build `cls` from `values`; ConfigError gives the full path of the first bad key.

    What `__post_init__` refuses begins with the key inside of the record; the path comes before it.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: expected a mapping, found {values!r}")
    hints = _hints(typing.cast(Hashable, cls))
    for key in values:
        if key not in hints:
            raise ConfigError(f"{path}.{key}: unknown key{suggestion(str(key), hints)}")
    for name in _required(typing.cast(Hashable, cls)):
        if name not in values:
            raise ConfigError(f"{path}.{name}: missing")
    return _made(cls, {k: converted(hints[k], v, f"{path}.{k}") for k, v in values.items()}, path)


def merged(record: T, values: Mapping[str, Any], path: str) -> T:
    """`record` with `values` merged in, nested records merged field by field."""
    cls = type(record)
    current = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}  # type: ignore[arg-type]
    hints = _hints(typing.cast(Hashable, cls))
    changes = {}
    for key, value in values.items():
        where = f"{path}.{key}"
        if key not in current:
            raise ConfigError(f"{where}: unknown key{suggestion(str(key), current)}")
        if dataclasses.is_dataclass(current[key]) and isinstance(value, Mapping):
            changes[key] = merged(current[key], value, where)
        else:
            changes[key] = converted(hints[key], value, where)
    return _made(cls, {**current, **changes}, path)


@functools.cache
def _hints(cls: Hashable) -> dict[str, Any]:
    """Of the fields of a dataclass; a plan asks for the same few thousands of times."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


@functools.cache
def _required(cls: Hashable) -> tuple[str, ...]:
    """Names of the fields without a default."""
    missing = dataclasses.MISSING
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return tuple(f.name for f in fields if f.default is missing and f.default_factory is missing)


@functools.cache
def _parts(hint: Hashable) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _made(cls: type[T], values: Mapping[str, Any], path: str) -> T:
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}.{error}") from None


def to_mapping(record: Any) -> Any:
    """Plain mappings, lists and scalars: what `from_mapping` reads back."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: to_mapping(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {str(key): to_mapping(value) for key, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [to_mapping(value) for value in record]
    return record


def suggestion(key: str, fields: typing.Iterable[str]) -> str:
    """What may have been meant, as the end of a message."""
    names = sorted(fields)
    return closest(key, names) or f"; one of {', '.join(names)}"


def closest(key: str, names: typing.Iterable[str]) -> str:
    """`; did you mean 'red'?`, or nothing where no name is like it, in capital or small letters; swapped ones first."""
    small = {str(name).lower(): str(name) for name in names}
    close = difflib.get_close_matches(key.lower(), small, n=5)
    swapped = [name for name in close if sorted(name) == sorted(key.lower())]
    return f"; did you mean {small[(swapped or close)[0]]!r}?" if close else ""


def converted(hint: Any, value: Any, path: str) -> Any:
    """`value` as the type and range of `hint` ask for; ConfigError begins with `path`."""
    origin, arguments = _parts(hint)
    if origin is Annotated:
        number = converted(arguments[0], value, path)
        for extra in arguments[1:]:
            if isinstance(extra, Range) and (fault := extra.fault(number)):
                raise ConfigError(f"{path}: {fault}")
        return number
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, path)
    if origin is typing.Literal:
        # bool is an int in Python: without the type check, True would pass as 1.
        if any(type(value) is type(choice) and value == choice for choice in arguments):
            return value
        raise ConfigError(f"{path}: {value!r} is not one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: expected a list, found {value!r}")
        if arguments[-1:] != (Ellipsis,) and len(value) != len(arguments):
            raise ConfigError(f"{path}: expected {len(arguments)} values, found {len(value)}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(converted(k, v, f"{path}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path}: expected a mapping, found {value!r}")
        return {k: converted(arguments[1], v, f"{path}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, path)
    if hint is Any:
        return value
    return _convert_scalar(hint, value, path)


def _convert_union(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in choices:
        return None
    concrete = [choice for choice in choices if choice is not type(None)]
    if len(concrete) == 1:
        return converted(concrete[0], value, path)
    for choice in concrete:
        try:
            return converted(choice, value, path)
        except ConfigError:
            continue
    raise ConfigError(f"{path}: {value!r} has the wrong type")


def _convert_scalar(hint: Any, value: Any, path: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number:
        if value != value or value in (float("inf"), float("-inf")):
            raise ConfigError(f"{path}: must be a finite number")
        if abs(value) > FLOAT_MAX:
            raise ConfigError(f"{path}: is beyond the largest number")
        return float(value)
    if hint is float and isinstance(value, str):
        raise ConfigError(f"{path}: {value!r} is text, not a number (YAML needs 1.0e-3, with a point)")
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    raise ConfigError(f"{path}: expected {getattr(hint, '__name__', hint)}, found {value!r}")
