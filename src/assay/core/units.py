"""Units for people: the store keeps base units (ns, bytes), tables show scaled ones.

May import: standard library.
"""

from __future__ import annotations

import math
import re

_TIME_STEPS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_BINARY_STEPS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "B"))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MISSING = "–"


def format_significant(value: float, digits: int = 3) -> str:
    """Round to ``digits`` significant digits without exponents: 1234.5 -> '1234', 0.01234 -> '0.0123'."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def format_duration_ns(value_ns: float | None) -> str:
    """Nanoseconds as text in the unit that reads best: ``12.3 ms``."""
    if value_ns is None:
        return MISSING
    for step, unit in _TIME_STEPS:
        if abs(value_ns) >= step:
            return f"{format_significant(value_ns / step)} {unit}"
    return f"{format_significant(value_ns)} ns"


def format_bytes(value: float | None) -> str:
    """Bytes as text with binary prefixes: ``417 MiB``."""
    if value is None:
        return MISSING
    for step, unit in _BINARY_STEPS:
        if abs(value) >= step:
            return f"{format_significant(value / step)} {unit}"
    return "0 B"


def format_count(value: float | None) -> str:
    """Large counts with SI letters: 109482240 -> ``109M``."""
    if value is None:
        return MISSING
    for step, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= step:
            return f"{format_significant(value / step)}{letter}"
    return format_significant(value)


def format_elapsed(seconds: float) -> str:
    """Seconds as a clock-like text: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def parse_duration_s(text: str) -> float:
    """Read ``90s``, ``1.5h``, ``7d``, ``2h30m`` or a bare number of seconds. Raises ValueError."""
    stripped = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        return float(stripped)
    position, total = 0, 0.0
    for match in _DURATION.finditer(stripped):
        if stripped[position : match.start()].strip():
            break
        total += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if position == 0 or stripped[position:].strip():
        raise ValueError(f"{text!r} is not a duration; expected for example 90s, 15m, 1.5h or 7d.")
    return total
