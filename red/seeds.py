"""One root seed per run, split by purpose, so that no two uses share a random stream."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def derive(root: int, *purpose: object) -> int:
    """Seed in [0, 2**31) for one purpose, e.g. `derive(0, "generate", "math500", "id-7", 3)`.

    The rule is SHA-256 of the parts joined by "/", first four bytes, top bit cleared.
    """
    text = "/".join(str(part) for part in (root, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF


def limited(rows: Sequence[T], ids: Iterable[str], limit: int | None) -> list[T]:
    """The `limit` rows whose ids come first in an order drawn from the ids alone; they keep their own order."""
    if limit is None:
        return list(rows)
    numbered = sorted(enumerate(ids), key=lambda pair: (derive(0, "limit", pair[1]), pair[1]))
    return [rows[number] for number in sorted(number for number, _ in numbered[:limit])]
