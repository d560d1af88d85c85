"""Slips of the unit: a figure that is off by just the factor between two units that people mix up.

May import: standard library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_EXACT = 0.015
"""How far from the factor a ratio may be: two tables round the same figure this differently."""


@dataclass(frozen=True, slots=True)
class Slip:
    """``factor`` times too large (below 1: too small), and what was probably mixed up."""

    factor: float
    cause: str


_LARGE = (
    Slip(1e9, "without the giga"),
    Slip(1e6, "without the mega"),
    Slip(1024.0, "MiB for GiB"),
    Slip(1000.0, "one step of a thousand: MB for GB, GFLOP/s for TFLOP/s"),
    Slip(8.0, "bits for bytes"),
    Slip(2.0, "doubled: sparse for dense, both directions for one, two dies for one"),
    Slip(1.073741824, "GB for GiB"),
    Slip(1.048576, "MB for MiB"),
)
SLIPS = tuple(slip for large in _LARGE for slip in (large, Slip(1 / large.factor, large.cause)))
"""From the largest factor to the smallest, each with its inverse (the cause then reads the other way round)."""
GROSS = tuple(slip for slip in SLIPS if abs(math.log(slip.factor)) > math.log(7))
"""Those that show without a second source: no two devices of one architecture need differ so much."""


def name_slip(ratio: float) -> Slip | None:
    """Say which slip explains that one source's figure is ``ratio`` times the other's; None where none does."""
    if not (math.isfinite(ratio) and ratio > 0):
        return None
    fitting = [slip for slip in SLIPS if abs(ratio / slip.factor - 1) <= _EXACT]
    return min(fitting, key=lambda slip: abs(math.log(ratio / slip.factor)), default=None)
