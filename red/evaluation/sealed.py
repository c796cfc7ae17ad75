"""Texts of a protected benchmark in its file: unreadable to crawlers and to a search, not secret to who runs this."""

import base64
import hashlib
import zlib
from typing import Any

from red.errors import DataError
from red.plumbing.storage import as_object, dump_json, parse_json

# Published by the authors of GPQA for their own archive; it keeps crawlers out, not readers.
PASSWORD = b"deserted-untie-orchid"

MOST = 16 << 20
"""Bytes of one unpacked text."""


def seal(value: Any, id: str) -> str:
    """JSON, packed, and mixed with a stream of bytes that the password and `id` give."""
    return base64.b64encode(_mixed(zlib.compress(dump_json(value).encode()), id)).decode()


def unseal(text: str, id: str, where: str) -> dict[str, Any]:
    """The object that `seal` took; DataError begins with `where` if the text is damaged or of another id."""
    packed, reason = zlib.decompressobj(), "is damaged; make the file again"
    try:
        content = packed.decompress(_mixed(base64.b64decode(text, validate=True), id), MOST)
        if packed.eof:
            return as_object(parse_json(content, where), where)
        if packed.unconsumed_tail:
            reason = f"unpacks to more than {MOST >> 20} MiB"
    except (ValueError, zlib.error):
        pass
    raise DataError(f"{where}: the sealed text {reason}")


def _mixed(content: bytes, id: str) -> bytes:
    stream = hashlib.shake_256(PASSWORD + id.encode()).digest(len(content))
    return bytes(a ^ b for a, b in zip(content, stream, strict=True))
