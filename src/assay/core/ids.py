"""Identifiers that need no coordination between writers.

Things that happen get a UUIDv7 (sortable by time, RFC 9562 section 5.7); things that *are* get a hash of
their content. May import: standard library.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any

_VERSION_7 = 0x7
_VARIANT_RFC = 0b10


def new_id(*, unix_ms: int | None = None) -> str:
    """Return a fresh UUIDv7 as 36 lower-case characters; later ids sort after earlier ones."""
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= _VERSION_7 << 76
    value |= secrets.randbits(12) << 64
    value |= _VARIANT_RFC << 62
    value |= secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def content_hash(content: Any, *, length: int = 16) -> str:
    """Hash a JSON-able value: same content, same id, on every machine and Python version.

    ``length`` is in hexadecimal digits; 16 (64 bits) keeps the chance of one collision among ten
    million series below 1e-5.
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:length]


def canonical_json(content: Any) -> str:
    """Serialise with sorted keys and no white space, refusing NaN and infinities."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
