"""Whether the files of a probe hold exactly the rows that were ordered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from red.errors import DataError, one_line
from red.probes.row import OF_TOKENS, quantities
from red.ranges import Rows

AGAIN = "probe again"


@dataclass(frozen=True)
class Order:
    """A probe of some runs: how many prompts, None where it reads matrices; which models are measured beside each run's
    own."""

    runs: tuple[str, ...]
    prompts: Rows | None
    models: tuple[str, ...] = ()


@dataclass
class Attendance:
    """The files of one probe. Every quantity of every prompt has to be there once, that of tokens from the first to the
    last, and all runs have the same prompts or matrices. What is remembered grows with these, not with tokens."""

    probe: str
    order: Order
    examples: set[str] = field(default_factory=set)

    def taken(self, path: Path, step: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of one file. `step` is the run's last one; DataError names what is too much or missing."""
        ordered = quantities(self.probe, self.order.models, step)
        rows: dict[tuple[int, str], dict[str, int]] = {key: {} for key in ordered}
        for batch in batches:
            try:
                batch.validate(full=True)
            except pa.ArrowInvalid as error:
                raise DataError(f"{path}: damaged ({one_line(error)}); {AGAIN}") from None
            columns = (batch.column(name).to_pylist() for name in ("probe", "step", "quantity", "example", "position"))
            for probe, at, quantity, example, position in zip(*columns, strict=True):
                of_example = rows.get((at, quantity))
                if probe != self.probe or of_example is None:
                    raise DataError(f"{path}: nobody ordered {quantity!r} of {probe!r} at step {at}; {AGAIN}")
                seen = of_example.get(example, 0)
                is_due = position == seen if quantity.startswith(OF_TOKENS) else position is None and not seen
                if not is_due:
                    raise DataError(f"{path}: {quantity} of {example!r}: token {position} after {seen} rows; {AGAIN}")
                of_example[example] = seen + 1
            yield batch
        self._finish(path, rows)

    def _finish(self, path: Path, rows: dict[tuple[int, str], dict[str, int]]) -> None:
        lengths: dict[str, int] = {}
        for (step, quantity), of_example in rows.items():
            what = f"{path}: {quantity} at step {step}"
            if not of_example or self.order.prompts not in (None, len(of_example)):
                ordered = self.order.prompts or "all matrices"
                raise DataError(f"{what} is of {len(of_example)} prompts, {ordered} are ordered; {AGAIN}")
            self.examples = self.examples or set(of_example)
            if other := self.examples ^ of_example.keys():
                raise DataError(f"{what}: {min(other)!r} is not a prompt of all; {AGAIN}")
            lengths = lengths or (of_example if quantity.startswith(OF_TOKENS) else {})
            if quantity.startswith(OF_TOKENS) and lengths != of_example:
                example = next(example for example, length in of_example.items() if length != lengths[example])
                raise DataError(f"{what}: {example!r} has not as many tokens as for the other models; {AGAIN}")
