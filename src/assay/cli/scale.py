"""A number of the registry's unit in the unit that reads best: ns as ms, bytes as MiB, 1/s as thousands of them.

May import: core.
"""

from __future__ import annotations

from assay.core.units import MISSING, format_significant

_SECONDS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_BYTES = ((1024.0**4, "TiB"), (1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B"))
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_PREFIXED = frozenset({"1/s", "B/s", "FLOP/s"})


def choose_scale(unit: str, value: float) -> tuple[float, str]:
    """Return what to divide by, and the unit then: of the largest step that leaves at least 1."""
    if unit == "ns":
        steps: tuple[tuple[float, str], ...] = _SECONDS
    elif unit == "B":
        steps = _BYTES
    elif unit in _PREFIXED:
        steps = tuple(
            (step, f"{letter} {unit}".strip() if unit == "1/s" else letter + unit) for step, letter in _PREFIXES
        )
    else:
        return 1.0, "" if unit == "1" else unit
    # By the number as it will be shown: 999 999 ns is 1.00 ms, not 1000 µs.
    return next(((step, text) for step, text in steps if abs(float(f"{value / step:.2e}")) >= 1), steps[-1])


def format_in(unit: str, value: float | None, *, digits: int = 3) -> str:
    """Return a number with its unit, to so many significant digits; a dash where it is not known."""
    if value is None:
        return MISSING
    scale, text = choose_scale(unit, value)
    return f"{format_significant(value / scale, digits)} {text}".rstrip()
