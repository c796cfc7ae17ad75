"""One root seed per run, split by purpose, so that no two uses share a random stream."""

import hashlib


def derive(root: int, *purpose: object) -> int:
    """Seed in [0, 2**31) for one purpose, e.g. `derive(0, "generate", "math500", "id-7", 3)`.

    The rule is SHA-256 of the parts joined by "/", first four bytes, top bit cleared.
    """
    text = "/".join(str(part) for part in (root, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
