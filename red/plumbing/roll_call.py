"""Whether a file holds exactly the rows that were ordered."""

from collections.abc import Iterable
from pathlib import Path

from red.errors import DataError


class RollCall:
    """Every sample of every id, once each. `remedy` ends the messages; a byte per row is remembered, nothing else."""

    def __init__(self, path: Path, ids: Iterable[str], samples: int, remedy: str) -> None:
        self.path, self.samples, self.remedy = path, samples, remedy
        self.places = {id: number for number, id in enumerate(ids)}
        self.seen = bytearray(len(self.places) * samples)

    def tick(self, id: object, index: object) -> None:
        """A row is there. DataError if nobody ordered it, or if it is there twice."""
        place = self.places.get(id) if isinstance(id, str) else None
        if place is None:
            raise DataError(f"{self.path}: {id!r} is not a problem of the benchmark; {self.remedy}")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < self.samples:
            raise DataError(f"{self.path}: {id!r}: index {index!r} is not one of {self.samples} samples; {self.remedy}")
        place = place * self.samples + index
        if self.seen[place]:
            raise DataError(f"{self.path}: {id!r}: sample {index} is there twice; {self.remedy}")
        self.seen[place] = True

    def finish(self) -> None:
        """All rows have been ticked. DataError names the first that is missing."""
        place = self.seen.find(0)
        if place >= 0:
            id = list(self.places)[place // self.samples]
            lacks = f"{self.seen.count(0)} of {len(self.seen)} rows are missing, first sample {place % self.samples}"
            raise DataError(f"{self.path}: {lacks} of {id!r}; {self.remedy}")
