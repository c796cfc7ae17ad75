"""What a row is. A row is a module in `bench/rows`, found by its file name."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parent / "rows"


@dataclass(frozen=True)
class Side:
    """One way to do the work. `venv` is "main" (this interpreter) or "peers" (bench/.venv)."""

    name: str
    venv: str = "peers"
    about: str = ""


@dataclass(frozen=True)
class Case:
    """One size of the work. `repeats` of None takes the command's."""

    name: str
    size: Mapping[str, Any] = field(default_factory=dict)
    repeats: int | None = None


@dataclass(frozen=True)
class Bar:
    """`value` is the least ratio theirs / ours of `quantity` ("time" or "memory") against `side`.

    With `side` "ours" it is an upper limit in seconds, or the least of the fact that `quantity` names.
    """

    side: str
    quantity: str
    value: float
    case: str | None = None


@dataclass(frozen=True)
class Row:
    """Sides are compared case by case; the first side is ours. `work` names the unit of work.

    `notes` says what limits the ratios. A row with `tiny` is measured on a GPU; `tiny` are the sizes that replace
    those of its cases where it is only tried, on a CPU.
    """

    title: str
    work: str
    sides: tuple[Side, ...]
    cases: tuple[Case, ...]
    bars: tuple[Bar, ...] = ()
    notes: str = ""
    tiny: Mapping[str, Any] | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether only a GPU can fill the row."""
        return self.tiny is not None

    def tried(self) -> "Row":
        """The same row with one case, at its tiny size."""
        return replace(self, cases=(Case("tiny", {**self.cases[0].size, **(self.tiny or {})}, 1),), bars=())


@dataclass(frozen=True)
class Setting:
    """What `prepare` gets: the side, the size of the case, and a folder with the tiny world."""

    side: str
    size: Mapping[str, Any]
    world: Path


@dataclass(frozen=True)
class Done:
    """One run: how much work it was, and facts to record. `kept_mib` is memory that every way must return.

    `seconds` and `cpu_seconds` replace the measured ones where a library hides its steps in a longer call, `peak_mib`
    the process's memory by the device's.
    """

    work: float
    kept_mib: float = 0.0
    peak_mib: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


Run = Callable[[], Done]
Prepare = Callable[[Setting], Run]


def names() -> list[str]:
    """Every row, in order of name."""
    return sorted(path.stem for path in ROWS.glob("*.py") if path.stem != "__init__")


def load(name: str) -> tuple[Row, Prepare]:
    """A row and its `prepare`."""
    module = importlib.import_module(f"bench.rows.{name}")
    return module.ROW, module.prepare
