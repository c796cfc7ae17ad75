"""Ranges of numbers, written at the field that has them: `steps: Count`.

Whatever makes a record from outside, from a configuration, a JSON spec or options, goes through `red.plumbing.records`,
which refuses what is out of range. Counts and seeds fit into 32 bits with their sign, as tables and libraries want;
what is made or held all at once has a lower end, so that a slip is one line and not hours.
"""

import functools
import math
import typing
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

from red.errors import ConfigError

LARGEST = 2**31 - 1
AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; without the ends themselves where `above` and `below` say so."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def fault(self, value: float) -> str | None:
        """What is wrong with a number, in words; None if nothing is."""
        if value != value or value in (math.inf, -math.inf):  # an integer may be beyond all floats
            return f"must be a finite number, found {value}"
        if value < self.low or (self.above and value == self.low):
            return f"must be {'above' if self.above else 'at least'} {self.low:g}, found {str(value)[:40]}"
        if value > self.high or (self.below and value == self.high):
            return f"must be {'below' if self.below else 'at most'} {self.high:.10g}, found {str(value)[:40]}"
        return None


class Ranged:
    """Base of a record that people make by hand too: ConfigError for a field out of its range, however it is made."""

    def __post_init__(self) -> None:
        for name, limits in _ranges(typing.cast(Hashable, type(self))):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise ConfigError(f"{name}: expected a number, found {str(value)[:40]!r}")
            if value is not None and (fault := limits.fault(value)):
                raise ConfigError(f"{name}: {fault}")


@functools.cache
def _ranges(cls: Hashable) -> tuple[tuple[str, Range], ...]:
    """Of the fields that have one, `Share` or `Share | None`."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parts = {name: [hint, *typing.get_args(hint)] for name, hint in hints.items()}
    return tuple(
        (name, extra)
        for name, choices in parts.items()
        for choice in choices
        for extra in getattr(choice, "__metadata__", ())
        if isinstance(extra, Range)
    )


Count = Annotated[int, Range(1, LARGEST)]
Rows = Annotated[int, Range(1, AT_ONCE)]  # or members of a step
Samples = Annotated[int, Range(1, 2**16)]  # of one problem
Length = Annotated[int, Range(1, 2**24)]  # of a text, in tokens
Processes = Annotated[int, Range(1, 2**10)]
Natural = Annotated[int, Range(0, LARGEST)]
Number = Annotated[float, Range()]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
AtLeastOne = Annotated[float, Range(1)]
Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(0, 1, above=True)]
Decay = Annotated[float, Range(0, 1, below=True)]
