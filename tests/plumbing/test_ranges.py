"""Every number that comes from outside has a range at its field, which one code checks."""

import ast
import dataclasses
import importlib
import math
import pkgutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import red
from red import methods
from red.data import sources
from red.errors import ConfigError
from red.plumbing.records import converted, from_mapping
from red.ranges import LARGEST, Count, Decay, Natural, NonNegative, Positive, PositiveShare, Range, Share
from red.study.resources import Resources

ABSENT = {"vllm", "openrlhf", "ray", "deepspeed"}  # engines that need not be installed
# Not from outside: what a golden file or a failed update says is checked where it is compared.
BORDERS = ("from_mapping", "merged")


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages(red.__path__, "red."):
        if not ABSENT & {part.split("_")[0] for part in found.name.split(".")} and "lm_eval" not in found.name:
            yield importlib.import_module(found.name)


def built_from_outside() -> Iterator[type]:
    """The first argument of each call that makes a record from a mapping; of methods and sources by their kind."""
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in BORDERS:
                name = call.args[0].id if isinstance(call.args[0], ast.Name) else ""
                if dataclasses.is_dataclass(getattr(module, name, None)):
                    yield getattr(module, name)
    yield Resources
    yield from (sources.source(name, "").PromptsSpec for name in sources.names())
    for name in methods.names():
        method = methods.method(name)
        yield from (type(part) for part in (method.mix, method.second_step, method.reward, method.objective) if part)


def records() -> set[type]:
    """These, and the records inside of them."""
    waiting, found = list(built_from_outside()), set()
    while waiting:
        record = waiting.pop()
        if record not in found:
            found.add(record)
            waiting += [part for field in dataclasses.fields(record) for part in parts(hint_of(record, field.name))]
    return found


def hint_of(record: type, name: str) -> object:
    return typing.get_type_hints(record, include_extras=True)[name]


def parts(hint: object) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from parts(argument)


def bare_numbers(hint: object) -> bool:
    """Whether a type holds an int or float without a range."""
    if typing.get_origin(hint) is typing.Annotated:
        return not any(isinstance(extra, Range) for extra in hint.__metadata__)
    return hint in (int, float) or any(bare_numbers(part) for part in typing.get_args(hint))


def test_every_number_of_a_record_from_outside_has_a_range():
    found = records()
    assert len(found) > 25
    lacking = [
        f"{record.__name__}.{field.name}"
        for record in found
        for field in dataclasses.fields(record)
        if bare_numbers(hint_of(record, field.name))
    ]
    assert not lacking, "write the range at the field: red/ranges.py"


@pytest.mark.parametrize(
    ("hint", "inside", "outside"),
    [
        (Count, (1, LARGEST), (0, -1, LARGEST + 1, 2**63, 10**400, True, 1.0)),
        (Natural, (0, LARGEST), (-1, 2**31, 2**63)),
        (Positive, (5e-324, 1e308), (0, 0.0, -1.0, math.inf, math.nan, 10**400)),
        (NonNegative, (0, -0.0, 1e308), (-5e-324, math.inf, -math.inf, math.nan)),
        (Share, (0, 1, 0.5), (-0.1, math.nextafter(1, 2), math.nan)),
        (PositiveShare, (1.0, 5e-324), (0, 0.0, 1.5)),
        (Decay, (0, 0.999), (1, 1.0, -0.1)),
    ],
)
def test_the_ends_of_a_range(hint, inside, outside):
    assert [converted(hint, value, "here") for value in inside] == list(inside)
    for value in outside:
        with pytest.raises(ConfigError, match=r"^here: ") as error:
            converted(hint, value, "here")
        assert "\n" not in str(error.value)


def test_a_range_holds_inside_of_lists_and_options_and_names_the_place():
    @dataclasses.dataclass(frozen=True)
    class Record:
        pair: tuple[Share, Share] = (0.0, 0.0)
        limit: Count | None = None

        def __post_init__(self) -> None:
            if self.pair[0] > self.pair[1]:
                raise ConfigError("pair: the wrong way round")

    with pytest.raises(ConfigError, match=r"^spec\.pair\[1\]: must be at most 1, found 1\.5$"):
        from_mapping(Record, {"pair": [0.0, 1.5]}, "spec")
    with pytest.raises(ConfigError, match=r"^spec\.limit: must be at least 1, found 0$"):
        from_mapping(Record, {"limit": 0}, "spec")
    with pytest.raises(ConfigError, match=r"^spec\.pair: the wrong way round$"):
        from_mapping(Record, {"pair": [1.0, 0.0]}, "spec")
    assert from_mapping(Record, {"limit": None}, "spec").limit is None
