"""How wide the interval of a ratio of two numbers is, by the intervals of both. May import: core."""

from __future__ import annotations

import math

from assay.core.records import MetricValue


def half_width(*sides: MetricValue) -> float | None:
    """Half of the width of the ratio's interval on the log scale: those of the sides, which are independent."""
    halves = []
    for side in sides:
        if not side.ci_lo or not side.ci_hi:
            return None
        halves.append(math.log(side.ci_hi / side.ci_lo) / 2)
    return math.hypot(*halves)
