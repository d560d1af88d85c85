"""Units for people: the store keeps base units (ns, bytes), tables show scaled ones.

May import: standard library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_TIME_STEPS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_BINARY_STEPS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "B"))
_COUNT_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MISSING = "–"


def format_significant(value: float, digits: int = 3) -> str:
    """Round to ``digits`` significant digits without exponents: 1234.5 -> '1234', 0.01234 -> '0.0123'."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    # The exponent is that of the rounded value: 9.996 to three digits is 10.0, not 10.00.
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def _scale(value: float, steps: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """Divide by the largest step that leaves at least 1 when shown: 999 999 ns is 1.00 ms, not 1000 µs."""
    for step, unit in steps:
        if abs(float(f"{value / step:.2e}")) >= 1:
            return value / step, unit
    return value, steps[-1][1]


def format_duration_ns(value_ns: float | None) -> str:
    """Nanoseconds as text in the unit that reads best: ``12.3 ms``."""
    if value_ns is None:
        return MISSING
    scaled, unit = _scale(value_ns, _TIME_STEPS)
    return f"{format_significant(scaled)} {unit}"


def format_bytes(value: float | None) -> str:
    """Bytes as text with binary prefixes: ``417 MiB``."""
    if value is None:
        return MISSING
    scaled, unit = _scale(value, _BINARY_STEPS)
    return f"{format_significant(scaled)} {unit}"


def format_count(value: float | None) -> str:
    """Large counts with SI letters: 109482240 -> ``109M``."""
    if value is None:
        return MISSING
    scaled, letter = _scale(value, _COUNT_STEPS)
    return f"{format_significant(scaled)}{letter}"


def format_elapsed(seconds: float) -> str:
    """Seconds as a clock-like text: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if not math.isfinite(seconds):
        return f"{seconds} s"
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
