"""A source's data as JSON can say it: for what is kept of a row beside its numbers, and for what is refused.

May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

_PLAIN = frozenset({str, int, bool})


def plain(value: Any) -> Any:  # noqa: PLR0911  (one for each kind of value)
    """Return a value as JSON has it: times as ISO 8601, bytes as hexadecimal, NaN and infinities as their names."""
    if value is None or type(value) in _PLAIN or (type(value) is float and math.isfinite(value)):
        return value  # nearly every cell; a table may have millions
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def pointer(*parts: object) -> str:
    """Write a JSON pointer (RFC 6901), the place of a row in a JSON file."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
