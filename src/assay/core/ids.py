"""Identifiers that need no coordination between writers.

Things that happen get a UUIDv7 (sortable by time, RFC 9562 section 5.7); things that *are* get a hash of
their content. May import: standard library.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from typing import Any

_VERSION_7 = 0x7
_VARIANT_RFC = 0b10


_clock_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)
_COUNTER_BITS = 12


def new_id() -> str:
    """Return a fresh UUIDv7 as 36 lower-case characters; within a process, later ids always sort after earlier ones.

    The 12 bits after the milliseconds count (RFC 9562 section 6.2, method 1), so that ids made in one millisecond
    keep their order; the other 62 are random.
    """
    milliseconds, counter = _next_tick(time.time_ns() // 1_000_000)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= counter << 64
    value |= secrets.randbits(62)
    return write_uuid(value, version=_VERSION_7)


def write_uuid(value: int, *, version: int) -> str:
    """Write 128 bits as a UUID of RFC 9562, 36 lower-case characters; version and variant take the place of 6 bits."""
    value = value & ~(0xF << 76) | version << 76
    value = value & ~(0b11 << 62) | _VARIANT_RFC << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _next_tick(now_ms: int) -> tuple[int, int]:
    """Advance to ``now_ms``, or count on where the clock has not moved (or went back)."""
    global _last  # noqa: PLW0603  (order within a process needs memory)
    with _clock_lock:
        last_ms, counter = _last
        if now_ms > last_ms:
            _last = (now_ms, secrets.randbits(_COUNTER_BITS - 1))
        elif counter + 1 < 1 << _COUNTER_BITS:
            _last = (last_ms, counter + 1)
        else:
            _last = (last_ms + 1, 0)
        return _last


def content_hash(content: Any, *, length: int = 16) -> str:
    """Hash a JSON-able value: same content, same id, on every machine and Python version.

    ``length`` is in hexadecimal digits; 16 (64 bits) keeps the chance of one collision among ten
    million series below 1e-5.
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:length]


def canonical_json(content: Any) -> str:
    """Serialise with sorted keys and no white space, refusing NaN and infinities."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
